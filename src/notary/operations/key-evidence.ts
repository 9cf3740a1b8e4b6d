// SPDX-License-Identifier: Apache-2.0
import { NODE_KEYS, type KeyEvidence, type KeyEvidenceRequest } from '../attestation-port.ts';
import { Fields } from '../fields.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';
import { decodeNonce } from './quote.ts';
import { decodeRequester } from './requester.ts';

export const keyEvidence: Operation<KeyEvidenceRequest, KeyEvidence> = {
  encodeBody: ({ nonce, ...named }) => ({ ...named, nonce: nonce.toString('base64') }),
  decodeBody: (message) => {
    const body = message.object('body');
    const nonce = decodeNonce(body);
    if (!body.has('requester')) return { key: body.oneOf('key', NODE_KEYS), nonce };
    return {
      key: decodeModuleKeyName(body.object('key')),
      requester: decodeRequester(body.object('requester')),
      nonce,
    };
  },
  encodeResult: (evidence) => evidence,
  /** Passed on as it is to who verifies it, who believes nothing of it unproven. */
  decodeResult: (result) => {
    new Fields(result, 'evidence').integer('format', 1, 1);
    return result as KeyEvidence;
  },
};
