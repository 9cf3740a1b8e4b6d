// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import type { KeyAlgorithm, KeyAttributes, SecretOrigin } from '../port.ts';
import { algorithms, curves } from './capability.ts';
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from '../../../tpm/constants.ts';
import { hasAttributes } from '../../../tpm/public-area.ts';
import type { PublicArea } from '../../../tpm/public-area.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY } from '../../../tpm/writer.ts';

const ATTRIBUTES =
  TPMA_OBJECT.fixedTpm |
  TPMA_OBJECT.fixedParent |
  TPMA_OBJECT.sensitiveDataOrigin |
  TPMA_OBJECT.userWithAuth |
  TPMA_OBJECT.sign;

/** The lengths that TPMs have; longer RSA keys most do not, and where they do a signature takes seconds. */
export type TpmKeyAlgorithm = Extract<KeyAlgorithm, 'EC-P256' | 'EC-P384' | 'RSA-2048'>;

/** Throws MechanismMissing for algorithms that the TPM does not have. */
export function requireAlgorithm(tpm: Tpm, algorithm: KeyAlgorithm): asserts algorithm is TpmKeyAlgorithm {
  if (algorithm === 'EC-P256' && curves(tpm).has(TPM_ECC.p256)) return;
  if (algorithm === 'EC-P384' && curves(tpm).has(TPM_ECC.p384)) return;
  if (algorithm === 'RSA-2048' && algorithms(tpm).has(TPM_ALG.rsassa)) return;
  const remedy = 'choose EC-P256, which every TPM 2.0 of a PC has; there is no fall-back to software';
  throw new KeysteadError('MechanismMissing', `the TPM at ${tpm.place} makes no ${algorithm} keys; ${remedy}`);
}

/** Template of a signing key. The label goes into the key itself, so that blobs cannot be exchanged for one another. */
export function keyTemplate(label: string, algorithm: TpmKeyAlgorithm, hasAuth: boolean): PublicArea {
  const common = {
    nameAlgorithm: TPM_ALG.sha256,
    // With an authorisation value, guessing it counts towards the lockout.
    attributes: hasAuth ? ATTRIBUTES : ATTRIBUTES | TPMA_OBJECT.noDictionaryAttack,
    policy: labelPolicy(label),
    symmetric: undefined,
  };
  if (algorithm === 'RSA-2048') {
    const scheme = { algorithm: TPM_ALG.rsassa, hash: TPM_ALG.sha256 };
    return { ...common, type: TPM_ALG.rsa, scheme, bits: 2048, exponent: 0, modulus: EMPTY };
  }
  const [curve, hash] = algorithm === 'EC-P256' ? [TPM_ECC.p256, TPM_ALG.sha256] : [TPM_ECC.p384, TPM_ALG.sha384];
  return { ...common, type: TPM_ALG.ecc, scheme: { algorithm: TPM_ALG.ecdsa, hash }, curve, x: EMPTY, y: EMPTY };
}

/** Template of an HMAC-SHA256 key: made in the TPM, or brought there. */
export function secretTemplate(label: string, origin: SecretOrigin, hasAuth: boolean): PublicArea {
  const made = origin === 'Generated' ? ATTRIBUTES : ATTRIBUTES & ~TPMA_OBJECT.sensitiveDataOrigin;
  return {
    type: TPM_ALG.keyedHash,
    nameAlgorithm: TPM_ALG.sha256,
    attributes: hasAuth ? made : made | TPMA_OBJECT.noDictionaryAttack,
    policy: labelPolicy(label),
    scheme: { algorithm: TPM_ALG.hmac, hash: TPM_ALG.sha256 },
    unique: EMPTY,
  };
}

/** Whether a public area is that of `secretTemplate`. */
export function isSecret(area: PublicArea): boolean {
  const { scheme } = area;
  return area.type === TPM_ALG.keyedHash && scheme?.algorithm === TPM_ALG.hmac && scheme.hash === TPM_ALG.sha256;
}

/**
 * A policy that nobody can satisfy (no sequence of policy commands hashes to it), made of the label. The key is used with
 * its authorisation value; the policy only carries the label inside what the TPM protects.
 */
export function labelPolicy(label: string): Buffer {
  return createHash('sha256').update(`keystead key label\0${label}`).digest();
}

/** Algorithm of a public area. Throws KeyUnfit for others than `keyTemplate` makes. */
export function algorithmOf(area: PublicArea): TpmKeyAlgorithm {
  if (area.type === TPM_ALG.rsa && area.bits === 2048 && area.scheme?.algorithm === TPM_ALG.rsassa) return 'RSA-2048';
  const ecdsa = area.type === TPM_ALG.ecc && area.scheme?.algorithm === TPM_ALG.ecdsa;
  if (ecdsa && area.curve === TPM_ECC.p256 && area.scheme.hash === TPM_ALG.sha256) return 'EC-P256';
  if (ecdsa && area.curve === TPM_ECC.p384 && area.scheme.hash === TPM_ALG.sha384) return 'EC-P384';
  throw new KeysteadError('KeyUnfit', 'TPM key: expected a signing key of P-256, P-384 or RSA-2048, found another');
}

/**
 * What a public area says of where the key can be. Throws KeyUnfit where it could leave the TPM, or was not made there
 * and must have been.
 */
export function checkedAttributes(label: string, area: PublicArea, origin: SecretOrigin = 'Generated'): KeyAttributes {
  const made = hasAttributes(area, 'sensitiveDataOrigin');
  const needed = ['fixedTpm', 'fixedParent', 'userWithAuth', 'sign'] as const;
  const wrong = [
    ...needed.filter((bit) => !hasAttributes(area, bit)).map((bit) => `not ${bit}`),
    ...(made || origin === 'Imported' ? [] : ['not sensitiveDataOrigin']),
    ...(['restricted', 'decrypt'] as const).filter((bit) => hasAttributes(area, bit)),
    ...(area.policy.equals(labelPolicy(label)) ? [] : ['made under another label']),
  ];
  if (wrong.length > 0) {
    const expected = 'a signing key that was made in the TPM under this label and cannot leave it';
    throw new KeysteadError(
      'KeyUnfit',
      `key ${JSON.stringify(label)}: expected ${expected}, found ${wrong.join(', ')}`,
    );
  }
  // Outside the TPM the secret part only ever exists encrypted by its parent (Part 1, 22).
  return { sensitive: true, extractable: false, neverExtractable: made, local: made };
}
