// SPDX-License-Identifier: Apache-2.0
import type { CallContext } from '../../grpc/server.ts';
import { KeysteadError } from '../../errors.ts';

/** SPIFFE Workload Endpoint, section 3: the header that no server-side request forgery can set. */
export const SECURITY_HEADER = 'workload.spiffe.io';

/**
 * SPIFFE Workload Endpoint, section 6: a call without `workload.spiffe.io: true` is refused with InvalidArgument. Exactly
 * once: whoever sends it twice may have been made to. (HTTP/2 in Node joins repeated headers with a comma.)
 */
export function requireSecurityHeader({ metadata }: Pick<CallContext, 'metadata'>): void {
  const values = metadata.get(SECURITY_HEADER);
  if (values.length === 1 && values[0] === 'true') return;
  const found = values.length === 0 ? 'none' : values.join(', ');
  const message = `The security header ${SECURITY_HEADER} must be "true", exactly once; found ${found}.`;
  throw new KeysteadError('InvalidRequest', message);
}
