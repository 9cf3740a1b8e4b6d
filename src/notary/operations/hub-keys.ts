// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { HubKeyName } from '../hub-port.ts';
import { decodeHubKeyName } from './hub-key-name.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

/** The notary tells no more at once. */
const MAX_KEYS = 1024;

export const hubKeys: Operation<NoBody, readonly HubKeyName[]> = {
  ...noBody,
  encodeResult: (keys) => ({ keys }),
  decodeResult: (result) => new Fields(result, 'result').objects('keys', MAX_KEYS).map(decodeHubKeyName),
};
