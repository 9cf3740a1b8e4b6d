// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import type { HubModuleName } from './hub-port.ts';
import { lengthPrefixed } from './length-prefixed.ts';

/** For whom, and with which master secret. */
export interface HubCipherContext {
  readonly module: HubModuleName;
  readonly initializationVector: Buffer;
  readonly version: number;
}

/**
 * Ciphertext: one octet of format, the version of the master secret (32 bits, big-endian), the nonce, what AES-256-GCM
 * gives, its tag. Formats 1 and 2 are those of IoT Edge (`edge-cipher.ts`).
 */
const FORMAT = 3;
const HEADER_BYTES = 5;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;
const ALGORITHM = 'aes-256-gcm';

/** Encrypts with a random nonce: a module that repeats its initialization vector gives nothing away. */
export function encrypted(key: Buffer, context: HubCipherContext, plaintext: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(FORMAT);
  header.writeUInt32BE(context.version, 1);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce).setAAD(additionalData(header, context));
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The reverse. Throws InvalidRequest where anything differs. */
export function decrypted(key: Buffer, context: HubCipherContext, ciphertext: Buffer): Buffer {
  const header = ciphertext.subarray(0, HEADER_BYTES);
  const nonce = ciphertext.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES);
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(additionalData(header, context))
    .setAuthTag(ciphertext.subarray(-TAG_BYTES));
  const plaintext = decipher.update(ciphertext.subarray(HEADER_BYTES + NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([plaintext, decipher.final()]);
  } catch {
    plaintext.fill(0);
    throw malformed(
      'one of this module and generation with the same initializationVector',
      'another, or a changed one',
    );
  }
}

/** The version of the master secret that a ciphertext was made with. Throws InvalidRequest. */
export function versionOf(ciphertext: Buffer): number {
  if (ciphertext.length < OVERHEAD_BYTES) {
    throw malformed(`at least ${OVERHEAD_BYTES} bytes`, `${ciphertext.length} bytes`);
  }
  const format = ciphertext.readUInt8();
  if (format !== FORMAT) throw malformed(`format ${FORMAT}, as this node's encrypt gives it`, `format ${format}`);
  return ciphertext.readUInt32BE(1);
}

function additionalData(header: Buffer, { module, initializationVector }: HubCipherContext): Buffer {
  const { moduleId, generationId } = module;
  return lengthPrefixed(header, Buffer.from(moduleId), Buffer.from(generationId), initializationVector);
}

function malformed(expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `ciphertext: expected ${expected}, found ${found}`);
}
