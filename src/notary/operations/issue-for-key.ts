// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { IssuedForKey, IssueForKeyRequest } from '../key-port.ts';
import { decodeIssued, decodeNames, encodeIssued } from './certificate.ts';
import { decodeModuleKeyName } from './module-key-name.ts';
import type { Operation } from './operation.ts';

const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_URI = 4096;

export const issueForKey: Operation<IssueForKeyRequest, IssuedForKey> = {
  encodeBody: (request) => request,
  decodeBody: (message) => {
    const body = message.object('body');
    return { ...decodeNames(body), key: decodeModuleKeyName(body.object('key')) };
  },
  encodeResult: (issued) => ({
    ...encodeIssued(issued),
    publicKey: issued.publicKey.toString('base64'),
    keyUri: issued.keyUri,
  }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    const publicKey = fields.bytes('publicKey', MAX_PUBLIC_KEY_BYTES);
    return { ...decodeIssued(fields), publicKey, keyUri: fields.string('keyUri', MAX_URI) };
  },
};
