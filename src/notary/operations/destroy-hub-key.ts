// SPDX-License-Identifier: Apache-2.0
import type { HubKeyName } from '../hub-port.ts';
import { decodeHubKeyName } from './hub-key-name.ts';
import type { Operation } from './operation.ts';

export const destroyHubKey: Operation<HubKeyName, void> = {
  encodeBody: (key) => key,
  decodeBody: (message) => decodeHubKeyName(message.object('body')),
  encodeResult: () => ({}),
  decodeResult: () => undefined,
};
