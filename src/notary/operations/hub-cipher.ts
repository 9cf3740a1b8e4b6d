// SPDX-License-Identifier: Apache-2.0
import type { HubCipherRequest } from '../hub-port.ts';
import { bytesResult, decodeHubModule, MAX_TEXT_BYTES } from './hub-module.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

const MAX_VECTOR_BYTES = 1024;

/** More than encryption adds, so that whatever was encrypted can be decrypted again. */
const MAX_OVERHEAD_BYTES = 64;

/** Both ways alike: bytes in, bytes out. */
const cipher = (maxTextBytes: number): Operation<HubCipherRequest, Buffer> => ({
  ...bytesResult,
  encodeBody: (request) => ({
    ...request,
    initializationVector: request.initializationVector.toString('base64'),
    text: request.text.toString('base64'),
  }),
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      module: decodeHubModule(body.object('module')),
      initializationVector: body.bytes('initializationVector', MAX_VECTOR_BYTES),
      text: body.secret('text', maxTextBytes),
      requester: decodeRequester(body.object('requester')),
    };
  },
});

export const hubEncrypt = cipher(MAX_TEXT_BYTES);
export const hubDecrypt = cipher(MAX_TEXT_BYTES + MAX_OVERHEAD_BYTES);
