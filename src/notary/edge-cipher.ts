// SPDX-License-Identifier: Apache-2.0
import { createDecipheriv } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import type { HubModuleName } from './hub-port.ts';

/**
 * Ciphertexts that IoT Edge made (aziot-keys, `key.rs`; edgelet-http-workload, `module/data/encrypt.rs`), by their first
 * octet: AES-GCM with the device's `iotedge_master_encryption_id`, the module's initialization vector as the nonce, and
 * module id and generation id as what is authenticated beside.
 */
const TAG_FIRST = 1;
const TAG_LAST = 2;
const TAG_BYTES = 16;
/** By the length of the key: 32 octets, and 16 of a token that has no longer ones. */
const ALGORITHMS: Readonly<Record<number, 'aes-256-gcm' | 'aes-128-gcm'>> = { 32: 'aes-256-gcm', 16: 'aes-128-gcm' };

export function isOfIotEdge(ciphertext: Buffer): boolean {
  return ciphertext[0] === TAG_FIRST || ciphertext[0] === TAG_LAST;
}

/** Throws InvalidRequest where anything differs. */
export function decryptedOfIotEdge(
  key: Buffer,
  { moduleId, generationId }: HubModuleName,
  { initializationVector, text }: { readonly initializationVector: Buffer; readonly text: Buffer },
): Buffer {
  const algorithm = ALGORITHMS[key.length];
  if (!algorithm) throw new KeysteadError('Internal', 'expected an encryption key of 16 or 32 octets, found another');
  const rest = text.subarray(1);
  if (rest.length < TAG_BYTES) throw malformed(`at least ${1 + TAG_BYTES} bytes`, `${text.length} bytes`);
  if (initializationVector.length === 0) throw malformed('an initializationVector', 'none');
  const [tag, content] =
    text[0] === TAG_FIRST
      ? [rest.subarray(0, TAG_BYTES), rest.subarray(TAG_BYTES)]
      : [rest.subarray(-TAG_BYTES), rest.subarray(0, -TAG_BYTES)];
  const decipher = createDecipheriv(algorithm, key, initializationVector, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(`${moduleId}${generationId}`))
    .setAuthTag(tag);
  const plaintext = decipher.update(content);
  try {
    return Buffer.concat([plaintext, decipher.final()]);
  } catch {
    plaintext.fill(0);
    const expected = 'one that IoT Edge made for this module and generation with the same initializationVector';
    throw malformed(expected, "another, a changed one, or another device's");
  }
}

function malformed(expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `ciphertext: expected ${expected}, found ${found}`);
}
