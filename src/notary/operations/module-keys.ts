// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { ModuleKeyName } from '../key-port.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

/** More keys than this fit no token. */
const MAX_KEYS = 65_536;

export const moduleKeys: Operation<NoBody, readonly ModuleKeyName[]> = {
  ...noBody,
  encodeResult: (keys) => ({ keys }),
  decodeResult: (result) => new Fields(result, 'result').objects('keys', MAX_KEYS).map(decodeModuleKeyName),
};
