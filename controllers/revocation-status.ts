// SPDX-License-Identifier: Apache-2.0
import type { EdgeDeviceStatus } from '../src/api/v1alpha1/index.ts';
import { timestamp } from '../src/identity/holding.ts';
import { crlPemOf } from '../src/issue/pem.ts';
import type { RevocationLists } from '../src/notary/revocation-port.ts';

const FAILURE_LIMIT = 1_024;

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
    tokens: tokens.map(({ jti, until, revokedAt, reason }) => ({
      jti,
      until: timestamp(until),
      ...(revokedAt !== undefined && { revokedAt: timestamp(revokedAt) }),
      ...(reason && { reason }),
    })),
    ...(failure !== undefined && { failure: failure.slice(0, FAILURE_LIMIT) }),
  };
  return { revocation };
}
