// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, type CipherKey } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
export const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Ciphertext and tag (NIST SP 800-38D). */
export function gcmEncrypt(key: CipherKey, iv: Buffer, aad: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The reverse; undefined where the tag does not fit, and then nothing of the plaintext is left in memory. */
export function gcmDecrypt(key: CipherKey, iv: Buffer, aad: Buffer, ciphertext: Buffer): Buffer | undefined {
  if (ciphertext.length < TAG_BYTES) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, iv, { authTagLength: TAG_BYTES })
    .setAAD(aad)
    .setAuthTag(ciphertext.subarray(-TAG_BYTES));
  const plaintext = decipher.update(ciphertext.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return undefined;
  }
}
