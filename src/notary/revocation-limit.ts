// SPDX-License-Identifier: Apache-2.0
import type { RevocationReason } from '../issue/crl.ts';

interface Limited {
  /** Unknown where an earlier version has not written it down. */
  readonly reason?: RevocationReason;
  readonly until: number;
}

/**
 * At most so many of what was revoked. Where there are more, those are left out first whose process has just ended, and of
 * these those that end first themselves: what nobody took is less to be feared than what a refused process holds, and who
 * is restarted again and again pushes none of that out.
 */
export function mostFeared<T extends Limited>(entries: readonly T[], limit: number): readonly T[] {
  if (entries.length <= limit) return entries;
  const weight = ({ reason }: Limited): number => (reason === 'cessationOfOperation' ? 0 : 1);
  const byWeight = [...entries].sort((left, right) => weight(right) - weight(left) || right.until - left.until);
  return byWeight.slice(0, limit);
}
