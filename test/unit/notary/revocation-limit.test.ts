// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { RevocationReason } from '../../../src/issue/crl.ts';
import { mostFeared } from '../../../src/notary/revocation-limit.ts';

const entry = (name: string, until: number, reason?: RevocationReason) => {
  return { name, until, ...(reason !== undefined && { reason }) };
};
const names = (entries: readonly { readonly name: string }[]): string[] => entries.map(({ name }) => name).sort();

describe('what was revoked, where it is more than is listed', () => {
  const refused = entry('refused', 1, 'privilegeWithdrawn');
  const ended = [2, 3, 4, 5].map((until) => entry(`ended-${until}`, until, 'cessationOfOperation'));

  it('loses what ended processes held before what a refused one holds, and of that what ends first', () => {
    expect(names(mostFeared([refused, ...ended], 3))).toEqual(['ended-4', 'ended-5', 'refused']);
    expect(names(mostFeared([...ended, refused], 1))).toEqual(['refused']);
  });

  it('loses of the refused what ends first', () => {
    const others = [7, 8].map((until) => entry(`refused-${until}`, until, 'privilegeWithdrawn'));
    expect(names(mostFeared([...others, refused, ...ended], 2))).toEqual(['refused-7', 'refused-8']);
  });

  it('takes what has no reason, as an earlier version wrote it, for refused', () => {
    expect(names(mostFeared([entry('old', 1), ...ended], 2))).toEqual(['ended-5', 'old']);
  });

  it('stays as it is where there is room', () => {
    const all = [refused, ...ended];
    expect(mostFeared(all, all.length)).toBe(all);
  });
});
