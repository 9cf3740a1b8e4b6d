// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { RevocationLists } from '../revocation-port.ts';
import { decodeRevokedToken } from '../revoked-token.ts';
import { noBody, type NoBody, type Operation } from './operation.ts';

const MAX_CRLS = 64;
const MAX_CRL_BYTES = 512 * 1024;
const MAX_TOKENS = 65_536;
const MAX = Number.MAX_SAFE_INTEGER;

export const revocationLists: Operation<NoBody, RevocationLists> = {
  ...noBody,
  encodeResult: ({ crls, tokens }) => ({
    crls: crls.map((crl) => ({ ...crl, der: crl.der.toString('base64') })),
    tokens,
  }),
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      crls: fields.objects('crls', MAX_CRLS).map((crl) => ({
        issuer: crl.string('issuer', 64),
        number: crl.integer('number', 0, MAX),
        count: crl.integer('count', 0, MAX),
        thisUpdate: crl.integer('thisUpdate', 0, MAX),
        nextUpdate: crl.integer('nextUpdate', 0, MAX),
        der: crl.bytes('der', MAX_CRL_BYTES),
      })),
      tokens: fields.objects('tokens', MAX_TOKENS).map(decodeRevokedToken),
    };
  },
};
