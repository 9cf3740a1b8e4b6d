// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import type { KeyAlgorithm, KeyAttributes, SecretOrigin } from '../port.ts';
import { curves } from './capability.ts';
import { refusalOf } from './response-codes.ts';
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from '../../../tpm/constants.ts';
import { hasAttributes } from '../../../tpm/public-area.ts';
import type { PublicArea } from '../../../tpm/public-area.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY, u16, u32 } from '../../../tpm/writer.ts';

const ATTRIBUTES =
  TPMA_OBJECT.fixedTpm |
  TPMA_OBJECT.fixedParent |
  TPMA_OBJECT.sensitiveDataOrigin |
  TPMA_OBJECT.userWithAuth |
  TPMA_OBJECT.sign;

/** RSASSA with SHA-256, what X.509 wants of RSA keys. */
const RSA_SCHEME = { algorithm: TPM_ALG.rsassa, hash: TPM_ALG.sha256 };
const RSA_BITS = { 'RSA-2048': 2048, 'RSA-3072': 3072, 'RSA-4096': 4096 } as const;

/** Throws MechanismMissing for algorithms that the TPM does not have: RSA keys longer than 2048 bits most do not. */
export function requireAlgorithm(tpm: Tpm, algorithm: KeyAlgorithm): void {
  if (algorithm === 'EC-P256' && curves(tpm).has(TPM_ECC.p256)) return;
  if (algorithm === 'EC-P384' && curves(tpm).has(TPM_ECC.p384)) return;
  if (algorithm !== 'EC-P256' && algorithm !== 'EC-P384' && takesRsa(tpm, RSA_BITS[algorithm])) return;
  const remedy = 'choose EC-P256, which every TPM 2.0 of a PC has; there is no fall-back to software';
  throw new KeysteadError('MechanismMissing', `the TPM at ${tpm.place} makes no ${algorithm} keys; ${remedy}`);
}

/** TPM2_TestParms: whether the TPM takes RSA signing keys of this length. */
function takesRsa(tpm: Tpm, bits: number): boolean {
  const scheme = [u16(RSA_SCHEME.algorithm), u16(RSA_SCHEME.hash)];
  const parameters = Buffer.concat([u16(TPM_ALG.rsa), u16(TPM_ALG.null), ...scheme, u16(bits), u32(0)]);
  try {
    tpm.execute('TestParms', { parameters }).parameters.end();
    return true;
  } catch (thrown) {
    if (refusalOf(thrown) === undefined) throw thrown;
    return false;
  }
}

/** Template of a signing key. The label goes into the key itself, so that blobs cannot be exchanged for one another. */
export function keyTemplate(label: string, algorithm: KeyAlgorithm, hasAuth: boolean): PublicArea {
  const common = {
    nameAlgorithm: TPM_ALG.sha256,
    // With an authorisation value, guessing it counts towards the lockout.
    attributes: hasAuth ? ATTRIBUTES : ATTRIBUTES | TPMA_OBJECT.noDictionaryAttack,
    policy: labelPolicy(label),
    symmetric: undefined,
  };
  if (algorithm !== 'EC-P256' && algorithm !== 'EC-P384') {
    const bits = RSA_BITS[algorithm];
    return { ...common, type: TPM_ALG.rsa, scheme: RSA_SCHEME, bits, exponent: 0, modulus: EMPTY };
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
export function algorithmOf(area: PublicArea): KeyAlgorithm {
  if (area.type === TPM_ALG.rsa && area.scheme?.algorithm === TPM_ALG.rsassa) {
    const bits = ([2048, 3072, 4096] as const).find((length) => length === area.bits);
    if (bits !== undefined && area.scheme.hash === TPM_ALG.sha256) return `RSA-${bits}`;
  }
  const ecdsa = area.type === TPM_ALG.ecc && area.scheme?.algorithm === TPM_ALG.ecdsa;
  if (ecdsa && area.curve === TPM_ECC.p256 && area.scheme.hash === TPM_ALG.sha256) return 'EC-P256';
  if (ecdsa && area.curve === TPM_ECC.p384 && area.scheme.hash === TPM_ALG.sha384) return 'EC-P384';
  throw new KeysteadError('KeyUnfit', 'TPM key: expected a signing key on P-256, P-384 or of RSA, found another');
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
