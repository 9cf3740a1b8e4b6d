// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { ModuleKeyRequest, ModulePublicKey } from '../key-port.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_URI = 4096;

export const obtainKey: Operation<ModuleKeyRequest, ModulePublicKey> = {
  encodeBody: (request) => request,
  decodeBody: (message) => {
    const body = message.object('body');
    return { key: decodeModuleKeyName(body.object('key')), requester: decodeRequester(body.object('requester')) };
  },
  encodeResult: ({ publicKey, keyUri }) => ({ publicKey: publicKey.toString('base64'), keyUri }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      publicKey: fields.bytes('publicKey', MAX_PUBLIC_KEY_BYTES),
      keyUri: fields.string('keyUri', MAX_URI),
    };
  },
};
