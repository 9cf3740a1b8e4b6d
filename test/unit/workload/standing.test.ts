// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { Holding } from '../../../src/identity/holding.ts';
import { standingOf } from '../../../src/workload/standing.ts';

const SERVED = [{ identity: 'till', credentials: { privateKey: 'k', chain: 'c' } }];

function holding(change: Partial<Holding>): Holding {
  return {
    podUid: 'pod-1',
    namespace: 'shop',
    pod: 'p',
    verdict: 'Allowed',
    since: 0,
    identities: ['till'],
    issued: new Map(),
    refused: new Map(),
    ...change,
  };
}

describe('what a pod may have', () => {
  it('is what delivery has put there', () => {
    expect(standingOf(holding({}), SERVED)).toEqual({ state: 'Held', served: SERVED });
  });

  it('is that too where a violation is only reported, as in the files', () => {
    expect(standingOf(holding({ verdict: 'Denied' }), SERVED).state).toBe('Held');
  });

  it('is not known before the first verdict, between two containers, and until something is issued', () => {
    expect(standingOf(undefined, []).state).toBe('Pending');
    expect(standingOf(holding({ verdict: 'Ended' }), []).state).toBe('Pending');
    expect(standingOf(holding({}), []).state).toBe('Pending');
  });

  it('is nothing, for the reason of the verdict', () => {
    const refusal = { reason: 'ImageDigestMismatch', message: 'expected a' };
    expect(standingOf(holding({ verdict: 'Denied', refusal }), [])).toEqual({
      state: 'Refused',
      ...refusal,
      passing: false,
    });
  });

  it.each([
    ['ProfileViolation', false],
    ['Unavailable', true],
    ['TokenAbsent', true],
    ['IdentityTaken', false],
  ])('is nothing while it cannot be issued: %s passes by itself: %s', (reason, passing) => {
    const refused = new Map([['till', { reason, message: 'm' }]]);
    expect(standingOf(holding({ refused }), [])).toMatchObject({ state: 'Refused', reason, passing });
  });
});
