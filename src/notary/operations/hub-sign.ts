// SPDX-License-Identifier: Apache-2.0
import { HUB_KEY_IDS, HUB_KEY_SOURCES, type HubSignRequest } from '../hub-port.ts';
import { bytesResult, decodeHubModule, MAX_TEXT_BYTES } from './hub-module.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

export const hubSign: Operation<HubSignRequest, Buffer> = {
  ...bytesResult,
  encodeBody: (request) => ({ ...request, data: request.data.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      module: decodeHubModule(body.object('module')),
      keyId: body.oneOf('keyId', HUB_KEY_IDS),
      source: body.oneOf('source', HUB_KEY_SOURCES),
      data: body.bytes('data', MAX_TEXT_BYTES),
      requester: decodeRequester(body.object('requester')),
    };
  },
};
