// SPDX-License-Identifier: Apache-2.0
import type { EdgeDeviceStatus } from '../src/api/v1alpha1/index.ts';
import { timestamp } from '../src/identity/holding.ts';
import { crlPemOf } from '../src/issue/pem.ts';
import type { RevocationLists, RevokedToken } from '../src/notary/revocation-port.ts';

const FAILURE_LIMIT = 1_024;
/** Of so many tokens, the newest, it says when and why: every reader is sent the whole list at each change of it. */
const EXPLAINED_TOKENS = 64;

/** EdgeDevice.status.revocation: what other nodes must know, and what people look at. Nothing while it is not known. Pure. */
export function revocationStatus(
  lists: RevocationLists | undefined,
  failure: string | undefined,
): Pick<EdgeDeviceStatus, 'revocation'> {
  if (!lists) return {};
  const { crls, tokens } = lists;
  const [newest] = [...crls].sort((left, right) => right.thisUpdate - left.thisUpdate);
  const revocation = {
    ...(newest && {
      number: newest.number,
      nextUpdate: timestamp(Math.min(...crls.map(({ nextUpdate }) => nextUpdate))),
    }),
    count: crls.reduce((sum, { count }) => sum + count, 0),
    crl: crls.map(({ der }) => crlPemOf(der)).join(''),
    tokens: tokenStatuses(tokens),
    ...(failure !== undefined && { failure: failure.slice(0, FAILURE_LIMIT) }),
  };
  return { revocation };
}

type TokenStatuses = NonNullable<NonNullable<EdgeDeviceStatus['revocation']>['tokens']>;

function tokenStatuses(tokens: readonly RevokedToken[]): TokenStatuses {
  const newestFirst = [...tokens].sort((left, right) => (right.revokedAt ?? 0) - (left.revokedAt ?? 0));
  const explained = new Set(newestFirst.slice(0, EXPLAINED_TOKENS));
  return tokens.map((token) => {
    const { jti, until, revokedAt, reason } = token;
    return {
      jti,
      until: timestamp(until),
      ...(explained.has(token) && {
        ...(revokedAt !== undefined && { revokedAt: timestamp(revokedAt) }),
        ...(reason && { reason }),
      }),
    };
  });
}
