// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, hash } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { bitString, NULL, sequence, unsignedInteger } from '../../../issue/der.ts';
import { OID } from '../../../issue/object-identifiers.ts';
import { ecPublicKeyInfo } from '../../../issue/public-key.ts';
import { SIGNATURE_ALGORITHMS } from '../../../issue/signature-algorithm.ts';
import { sha256DigestInfo } from '../digest-info.ts';
import type { KeyAlgorithm } from '../port.ts';
import { CK } from './cryptoki.ts';
import type { Mechanism } from './mechanism.ts';
import { ecPoint } from './quirks.ts';

/** What PKCS#11 needs to know of one key algorithm. */
export interface TokenAlgorithm {
  readonly keyType: number;
  readonly generation: Mechanism;
  readonly signing: Mechanism;
  /** Attributes of the public template that say which key to make. */
  readonly parameters: readonly { readonly type: number; readonly value: Buffer | number }[];
}

const EC_GENERATION = { name: 'CKM_EC_KEY_PAIR_GEN', number: CK.CKM_EC_KEY_PAIR_GEN };
const EC_SIGNING = { name: 'CKM_ECDSA', number: CK.CKM_ECDSA };
const RSA_GENERATION = { name: 'CKM_RSA_PKCS_KEY_PAIR_GEN', number: CK.CKM_RSA_PKCS_KEY_PAIR_GEN };
const RSA_SIGNING = { name: 'CKM_RSA_PKCS', number: CK.CKM_RSA_PKCS };
const F4 = Buffer.of(1, 0, 1);

function ec(curve: Buffer): TokenAlgorithm {
  const parameters = [{ type: CK.CKA_EC_PARAMS, value: curve }];
  return { keyType: CK.CKK_EC, generation: EC_GENERATION, signing: EC_SIGNING, parameters };
}

function rsa(bits: number): TokenAlgorithm {
  const parameters = [
    { type: CK.CKA_MODULUS_BITS, value: bits },
    { type: CK.CKA_PUBLIC_EXPONENT, value: F4 },
  ];
  return { keyType: CK.CKK_RSA, generation: RSA_GENERATION, signing: RSA_SIGNING, parameters };
}

export const TOKEN_ALGORITHMS: Readonly<Record<KeyAlgorithm, TokenAlgorithm>> = {
  'EC-P256': ec(OID.secp256r1),
  'EC-P384': ec(OID.secp384r1),
  'RSA-2048': rsa(2048),
  'RSA-3072': rsa(3072),
  'RSA-4096': rsa(4096),
};

/** Algorithm and SubjectPublicKeyInfo from the attributes of an EC public key. Throws KeyUnfit for other curves. */
export function ecPublicKey(parameters: Buffer, point: Buffer): { algorithm: KeyAlgorithm; publicKey: Buffer } {
  const raw = ecPoint(point);
  if (parameters.equals(OID.secp256r1)) return { algorithm: 'EC-P256', publicKey: ecPublicKeyInfo(OID.secp256r1, raw) };
  if (parameters.equals(OID.secp384r1)) return { algorithm: 'EC-P384', publicKey: ecPublicKeyInfo(OID.secp384r1, raw) };
  throw unfit('an EC key on P-256 or P-384', `CKA_EC_PARAMS ${parameters.toString('hex')}`);
}

/** The same for RSA. Throws KeyUnfit for other lengths. */
export function rsaPublicKey(modulus: Buffer, exponent: Buffer): { algorithm: KeyAlgorithm; publicKey: Buffer } {
  const key = sequence(unsignedInteger(modulus), unsignedInteger(exponent));
  const publicKey = sequence(sequence(OID.rsaEncryption, NULL), bitString(key));
  const bits =
    createPublicKey({ key: publicKey, format: 'der', type: 'spki' }).asymmetricKeyDetails?.modulusLength ?? 0;
  const algorithm = ([2048, 3072, 4096] as const).find((length) => length === bits);
  if (algorithm === undefined) throw unfit('an RSA key of 2048, 3072 or 4096 bits', `${bits} bits`);
  return { algorithm: `RSA-${algorithm}`, publicKey };
}

/** Digest of `message` that keys of this algorithm sign. */
export function digestOf(algorithm: KeyAlgorithm, message: Buffer): Buffer {
  return hash(SIGNATURE_ALGORITHMS[algorithm].digest, message, 'buffer');
}

/** What the token signs for a digest: the digest itself (CKM_ECDSA) or its DigestInfo (CKM_RSA_PKCS). */
export function signatureInput(algorithm: KeyAlgorithm, digest: Buffer): Buffer {
  return algorithm.startsWith('EC-') ? digest : sha256DigestInfo(digest);
}

/** A token's signature as X.509 wants it: ECDSA's r and s (PKCS#11 2.3.1: two halves) become a SEQUENCE; RSA stays. */
export function signatureOutput(algorithm: KeyAlgorithm, raw: Buffer): Buffer {
  if (!algorithm.startsWith('EC-')) return Buffer.from(raw);
  const half = raw.length / 2;
  return sequence(unsignedInteger(raw.subarray(0, half)), unsignedInteger(raw.subarray(half)));
}

function unfit(expected: string, found: string): KeysteadError {
  return new KeysteadError('KeyUnfit', `expected ${expected}, found ${found}; destroy the key or name another`);
}
