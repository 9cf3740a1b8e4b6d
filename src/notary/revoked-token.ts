// SPDX-License-Identifier: Apache-2.0
import { REVOCATION_REASONS, type RevocationReason } from '../issue/crl.ts';
import type { Fields } from './fields.ts';
import type { RevokedToken } from './revocation-port.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const REASONS = Object.keys(REVOCATION_REASONS) as readonly RevocationReason[];

/** Throws InvalidRequest. */
export function decodeRevokedToken(token: Fields): RevokedToken {
  return {
    jti: token.string('jti', 64),
    until: token.integer('until', 0, MAX),
    ...(token.has('revokedAt') && { revokedAt: token.integer('revokedAt', 0, MAX) }),
    ...(token.has('reason') && { reason: token.oneOf('reason', REASONS) }),
  };
}
