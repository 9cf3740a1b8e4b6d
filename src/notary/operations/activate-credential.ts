// SPDX-License-Identifier: Apache-2.0
import type { Credential } from '../attestation-port.ts';
import { Fields } from '../fields.ts';
import type { Operation } from './operation.ts';

const MAX_CREDENTIAL = 1024;
const MAX_SECRET = 64;

export const activateCredential: Operation<Credential, Buffer> = {
  encodeBody: ({ blob, encryptedSecret }) => ({
    blob: blob.toString('base64'),
    encryptedSecret: encryptedSecret.toString('base64'),
  }),
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      blob: body.bytes('blob', MAX_CREDENTIAL),
      encryptedSecret: body.bytes('encryptedSecret', MAX_CREDENTIAL),
    };
  },
  encodeResult: (secret) => ({ secret: secret.toString('base64') }),
  decodeResult: (result) => new Fields(result, 'result').secret('secret', MAX_SECRET),
};
