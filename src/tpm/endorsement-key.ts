// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from './constants.ts';
import { encodePublic, publicKeyObject, type PublicArea } from './public-area.ts';

export type EndorsementAlgorithm = 'RSA-2048' | 'EC-P256';

/** PolicySecret(endorsement): who knows that hierarchy's authorisation may use the key (EK Credential Profile, B.6.2). */
export const ENDORSEMENT_POLICY: Buffer = Buffer.from(
  '837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa',
  'hex',
);

const COMMON = {
  nameAlgorithm: TPM_ALG.sha256,
  attributes:
    TPMA_OBJECT.fixedTpm |
    TPMA_OBJECT.fixedParent |
    TPMA_OBJECT.sensitiveDataOrigin |
    TPMA_OBJECT.adminWithPolicy |
    TPMA_OBJECT.restricted |
    TPMA_OBJECT.decrypt,
  policy: ENDORSEMENT_POLICY,
  symmetric: { algorithm: TPM_ALG.aes, bits: 128, mode: TPM_ALG.cfb },
  scheme: undefined,
} as const;

interface EndorsementKind {
  readonly template: PublicArea;
  /** Persistent handle that the profile reserves (TCG Registry of Reserved TPM 2.0 Handles). */
  readonly handle: number;
  readonly certificateIndex: number;
}

/**
 * Templates L-1 and L-2 (TCG EK Credential Profile, B.3.3 and B.3.4). The `unique` field is zeros of full length: with
 * an empty one the TPM derives another key, to which the maker's certificate does not belong.
 */
export const ENDORSEMENT_KINDS: Readonly<Record<EndorsementAlgorithm, EndorsementKind>> = {
  'RSA-2048': {
    template: { ...COMMON, type: TPM_ALG.rsa, bits: 2048, exponent: 0, modulus: Buffer.alloc(256) },
    handle: 0x81010001,
    certificateIndex: 0x01c00002,
  },
  'EC-P256': {
    template: { ...COMMON, type: TPM_ALG.ecc, curve: TPM_ECC.p256, x: Buffer.alloc(32), y: Buffer.alloc(32) },
    handle: 0x81010002,
    certificateIndex: 0x01c0000a,
  },
};

/** Whether a public area is the template with a key in it. */
export function isEndorsementKey(area: PublicArea, algorithm: EndorsementAlgorithm): boolean {
  const { template } = ENDORSEMENT_KINDS[algorithm];
  if (area.type === TPM_ALG.keyedHash || template.type === TPM_ALG.keyedHash) return false;
  const bare =
    area.type === TPM_ALG.rsa
      ? { ...area, modulus: Buffer.alloc(256) }
      : { ...area, x: Buffer.alloc(32), y: Buffer.alloc(32) };
  return encodePublic(bare).equals(encodePublic(template));
}

/** Throws KeyUnfit unless the certificate is for this key. */
export function checkCertificateKey(certificate: Buffer, area: PublicArea): void {
  const expected = publicKeyObject(area);
  let found: X509Certificate;
  try {
    found = new X509Certificate(certificate);
    if (found.publicKey.equals(expected)) return;
  } catch (cause) {
    throw new KeysteadError('KeyUnfit', 'EK certificate: expected an X.509 certificate, found none', { cause });
  }
  throw new KeysteadError('KeyUnfit', `EK certificate: expected this TPM's key, found that of ${found.subject}`);
}
