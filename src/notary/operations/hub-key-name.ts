// SPDX-License-Identifier: Apache-2.0
import type { Fields } from '../fields.ts';
import { HUB_KEY_IMPORTS, type HubKeyName } from '../hub-port.ts';
import { decodeHubModule } from './hub-module.ts';

export function decodeHubKeyName(fields: Fields): HubKeyName {
  return { module: decodeHubModule(fields.object('module')), keyId: fields.oneOf('keyId', HUB_KEY_IMPORTS) };
}
