// SPDX-License-Identifier: Apache-2.0
import { REVOCATION_REASONS, type RevocationReason } from '../../issue/crl.ts';
import { Fields } from '../fields.ts';
import type { Revoked, RevokeRequest } from '../revocation-port.ts';
import type { Operation } from './operation.ts';

const MAX_NAME = 512;
const MAX_CAUSE = 64;
const REASONS = Object.keys(REVOCATION_REASONS) as readonly RevocationReason[];

export const revoke: Operation<RevokeRequest, Revoked> = {
  encodeBody: (request) => request,
  decodeBody: (message) => {
    const body = message.object('body');
    return {
      podUid: body.string('podUid', MAX_NAME),
      ...(body.has('identity') && { identity: body.string('identity', MAX_NAME) }),
      reason: body.oneOf('reason', REASONS),
      cause: body.string('cause', MAX_CAUSE),
    };
  },
  encodeResult: (revoked) => revoked,
  decodeResult: decodeRevoked,
};

export function decodeRevoked(result: unknown): Revoked {
  const fields = new Fields(result, 'result');
  const count = (name: string): number => fields.integer(name, 0, Number.MAX_SAFE_INTEGER);
  return { certificates: count('certificates'), tokens: count('tokens') };
}
