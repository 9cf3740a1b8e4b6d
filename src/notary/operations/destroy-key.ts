// SPDX-License-Identifier: Apache-2.0
import type { ModuleKeyName } from '../key-port.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';

export const destroyKey: Operation<ModuleKeyName, void> = {
  encodeBody: (key) => key,
  decodeBody: (message) => decodeModuleKeyName(message.object('body')),
  encodeResult: () => ({}),
  decodeResult: () => undefined,
};
