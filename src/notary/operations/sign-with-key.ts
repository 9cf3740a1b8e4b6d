// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { Signature, SignRequest } from '../key-port.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

/** In base64 and with all the rest it stays within the longest request. */
export const MAX_MESSAGE_BYTES = 32 * 1024;
const MAX_DIGEST_BYTES = 64;
const MAX_SIGNATURE_BYTES = 1024;
const MAX_URI = 4096;
const ALGORITHMS = ['EC-P256', 'EC-P384', 'RSA-2048', 'RSA-3072', 'RSA-4096'] as const;

export const signWithKey: Operation<SignRequest, Signature> = {
  encodeBody: ({ key, requester, ...input }) => {
    const bytes = 'digest' in input ? { digest: base64(input.digest) } : { message: base64(input.message) };
    return { key, requester, ...bytes };
  },
  decodeBody: (message) => {
    const body = message.object('body');
    const named = {
      key: decodeModuleKeyName(body.object('key')),
      requester: decodeRequester(body.object('requester')),
    };
    if (body.has('digest')) return { ...named, digest: body.bytes('digest', MAX_DIGEST_BYTES) };
    return { ...named, message: body.bytes('message', MAX_MESSAGE_BYTES) };
  },
  encodeResult: (result) => ({ ...result, signature: result.signature.toString('base64') }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      signature: fields.bytes('signature', MAX_SIGNATURE_BYTES),
      algorithm: fields.oneOf('algorithm', ALGORITHMS),
      keyUri: fields.string('keyUri', MAX_URI),
    };
  },
};

const base64 = (bytes: Buffer): string => bytes.toString('base64');
