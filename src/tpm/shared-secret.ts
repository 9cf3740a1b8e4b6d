// SPDX-License-Identifier: Apache-2.0
import { constants, createECDH, publicEncrypt, randomBytes } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { TPM_ALG, TPM_ECC } from './constants.ts';
import { hashOf, kdfE } from './key-derivation.ts';
import { leftPadded, publicKeyObject, type PublicArea } from './public-area.ts';
import { sized } from './writer.ts';

/** What the secret is for; part of its derivation (Part 1, annexes B.10 and C.6). */
export type SecretPurpose = 'SECRET' | 'IDENTITY' | 'DUPLICATE';

export interface SharedSecret {
  readonly secret: Buffer;
  /** TPM2B_ENCRYPTED_SECRET without its length: only the TPM that holds the private key can read it. */
  readonly encrypted: Buffer;
}

const CURVES: ReadonlyMap<number, { readonly name: string; readonly bytes: number }> = new Map([
  [TPM_ECC.p256, { name: 'prime256v1', bytes: 32 }],
  [TPM_ECC.p384, { name: 'secp384r1', bytes: 48 }],
]);

/** Makes a secret that only the owner of `key` can read: RSA-OAEP, or one-pass Diffie-Hellman on the key's curve. */
export function shareSecret(key: PublicArea, purpose: SecretPurpose): SharedSecret {
  if (key.type === TPM_ALG.rsa) return viaRsa(key, purpose);
  const curve = key.type === TPM_ALG.ecc ? CURVES.get(key.curve) : undefined;
  if (key.type !== TPM_ALG.ecc || !curve) {
    throw new KeysteadError('KeyUnfit', 'TPM decryption key: expected RSA, or ECC on P-256 or P-384, found another');
  }
  // Proves that the point is on the curve: a secret derived from another point would leak.
  publicKeyObject(key);
  const ephemeral = createECDH(curve.name);
  const point = ephemeral.generateKeys();
  const own = { x: point.subarray(1, 1 + curve.bytes), y: point.subarray(1 + curve.bytes) };
  const other = { x: leftPadded(key.x, curve.bytes), y: leftPadded(key.y, curve.bytes) };
  const shared = ephemeral.computeSecret(Buffer.concat([Buffer.of(4), other.x, other.y]));
  const context = { hash: key.nameAlgorithm, label: purpose, first: own.x, second: other.x };
  const secret = kdfE(shared, { ...context, bits: hashOf(key.nameAlgorithm).bytes * 8 });
  return { secret, encrypted: Buffer.concat([sized(own.x), sized(own.y)]) };
}

function viaRsa(key: PublicArea, purpose: SecretPurpose): SharedSecret {
  const { name, bytes } = hashOf(key.nameAlgorithm);
  const secret = randomBytes(bytes);
  const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: name, oaepLabel: Buffer.from(`${purpose}\0`) };
  return { secret, encrypted: publicEncrypt({ key: publicKeyObject(key), ...oaep }, secret) };
}
