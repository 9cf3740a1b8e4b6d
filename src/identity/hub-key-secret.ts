// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { HubKeyId } from '../notary/hub-port.ts';

export interface HubKeys {
  readonly keyId: HubKeyId;
  readonly key: Buffer;
}

const KEY_IDS: readonly HubKeyId[] = ['primary', 'secondary'];
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
  return present.map((keyId) => ({ keyId, key: keyIn(keyId, data[keyId]?.trim() ?? '') }));
}

function keyIn(keyId: HubKeyId, text: string): Buffer {
  const key = Buffer.from(text, 'base64');
  if (key.toString('base64') === text && key.length >= SHORTEST && key.length <= LONGEST) return key;
  throw unfit(
    `${keyId} to be a key as IoT Hub shows it, base64 of ${SHORTEST} to ${LONGEST} bytes, found something else`,
  );
}

function unfit(expected: string): KeysteadError {
  return new KeysteadError('InvalidConfiguration', `Secret of iotEdge.keysSecretName: expected ${expected}`);
}
