// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { HubKeyImportId } from '../notary/hub-port.ts';

export interface HubKeys {
  readonly keyId: HubKeyImportId;
  readonly key: Buffer;
}

const KEY_IDS = ['primary', 'secondary'] as const;
/** The key with which IoT Edge has encrypted for modules of the device that this node was: `iotedge_master_encryption_id`. */
const ENCRYPTION = 'encryption';
/** Bytes: of AES-256, and of AES-128. */
const ENCRYPTION_LENGTHS = [32, 16];
/** Bytes; IoT Hub's own are of 32 or 64, and it takes from 16 on. */
const [SHORTEST, LONGEST] = [16, 64];

/**
 * The keys in a Secret, which holds them as the hub shows them: base64. Throws InvalidConfiguration with what to do, and
 * never with what was found.
 */
export function hubKeysIn(data: Readonly<Record<string, string>>): HubKeys[] {
  const present = KEY_IDS.filter((keyId) => data[keyId] !== undefined);
  if (present.length === 0)
    throw unfit(`an entry primary or secondary, found ${Object.keys(data).join(', ') || 'none'}`);
  const keys: HubKeys[] = present.map((keyId) => ({ keyId, key: keyIn(keyId, data[keyId]) }));
  return data[ENCRYPTION] === undefined ? keys : [...keys, { keyId: ENCRYPTION, key: encryptionKey(data[ENCRYPTION]) }];
}

function keyIn(keyId: string, text = ''): Buffer {
  const key = base64(text);
  if (key && key.length >= SHORTEST && key.length <= LONGEST) return key;
  throw unfit(
    `${keyId} to be a key as IoT Hub shows it, base64 of ${SHORTEST} to ${LONGEST} bytes, found something else`,
  );
}

function encryptionKey(text: string): Buffer {
  const key = base64(text);
  if (key && ENCRYPTION_LENGTHS.includes(key.length)) return key;
  throw unfit(`${ENCRYPTION} to be base64 of 32 bytes, or of 16, found something else`);
}

function base64(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text.trim() ? octets : undefined;
}

function unfit(expected: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `Secret of iotEdge.keysSecretName: expected ${expected}`);
}
