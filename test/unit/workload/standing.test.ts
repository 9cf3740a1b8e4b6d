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
    const standing = standingOf(holding({ verdict: 'Denied', reported: true }), SERVED);
    expect(standing).toEqual({ state: 'Held', served: SERVED });
  });

  it.each([
    ['first', undefined],
    ['after the end of a container', holding({ verdict: 'Ended' })],
    ['after a refusal', holding({ verdict: 'Denied' })],
  ])('is a part of it while it is being put there, %s', (_when, before) => {
    expect(standingOf(before, SERVED)).toEqual({ state: 'Held', served: SERVED, partial: true });
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
