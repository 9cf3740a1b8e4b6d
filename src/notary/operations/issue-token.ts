// SPDX-License-Identifier: Apache-2.0
import { Fields } from '../fields.ts';
import type { IssuedToken, TokenRequest } from '../port.ts';
import type { Operation } from './operation.ts';
import { decodeRequester } from './requester.ts';

const MAX_SPIFFE_ID = 2048;
/** More and longer than the profile allows, so that it is the profile that says why. */
const MAX_AUDIENCES = 64;
const MAX_AUDIENCE = 1024;
const MAX_SECONDS = 2 ** 40;
const MAX_TOKEN = 64 * 1024;

export const issueToken: Operation<TokenRequest, IssuedToken> = {
  encodeBody: (request) => request,
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      spiffeId: body.string('spiffeId', MAX_SPIFFE_ID),
      audiences: body.strings('audiences', MAX_AUDIENCES, MAX_AUDIENCE),
      lifetimeSeconds: body.integer('lifetimeSeconds', -MAX_SECONDS, MAX_SECONDS),
      requester: decodeRequester(body.object('requester')),
    };
  },
  encodeResult: (issued) => issued,
  decodeResult: (result) => {
    const fields = new Fields(result, 'result');
    return {
      token: fields.string('token', MAX_TOKEN),
      keyId: fields.string('keyId', 64),
      jti: fields.string('jti', 64),
      issuedAt: fields.integer('issuedAt', 0, Number.MAX_SAFE_INTEGER),
      expiresAt: fields.integer('expiresAt', 0, Number.MAX_SAFE_INTEGER),
    };
  },
};
