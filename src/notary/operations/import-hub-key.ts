// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import { HUB_KEY_IMPORTS, type HubKeyImport } from '../hub-port.ts';
import { decodeHubModule } from './hub-module.ts';
import type { Operation } from './operation.ts';

const MIN_KEY_BYTES = 16;
const MAX_KEY_BYTES = 64;

export const importHubKey: Operation<HubKeyImport, void> = {
  encodeBody: (request) => ({ ...request, key: request.key.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      module: decodeHubModule(body.object('module')),
      keyId: body.oneOf('keyId', HUB_KEY_IMPORTS),
      key: keyOf(body.secret('key', MAX_KEY_BYTES)),
    };
  },
  encodeResult: () => ({}),
  decodeResult: () => undefined,
};

function keyOf(key: Buffer): Buffer {
  if (key.length >= MIN_KEY_BYTES) return key;
  const expected = `${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes`;
  throw new KeysteadError('InvalidRequest', `body.key: expected ${expected}, found ${key.length}`);
}
