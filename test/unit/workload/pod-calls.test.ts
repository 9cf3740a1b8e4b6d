// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import type { CallContext } from '../../../src/grpc/server.ts';
import { Changes } from '../../../src/workload/changes.ts';
import { OpenCalls } from '../../../src/workload/open-calls.ts';
import { PodCalls } from '../../../src/workload/pod-calls.ts';
import type { Standing } from '../../../src/workload/port.ts';

const CREDENTIALS = { privateKey: 'k', chain: 'c' };
const REFUSED: Standing = { state: 'Refused', reason: 'LineageMismatch', message: 'expected a', passing: false };
const AWAY: Standing = { state: 'Refused', reason: 'IssuerNotReady', message: 'no token', passing: true };

const holding = (...identities: readonly string[]): Standing => ({
  state: 'Held',
  served: identities.map((identity) => ({ identity, credentials: CREDENTIALS })),
});

function setting() {
  const state = { standing: holding('till', 'stock') };
  const open = new OpenCalls();
  const calls = new PodCalls({
    changes: new Changes(),
    callers: { admit: () => Promise.resolve('a'), recognise: () => true },
    calls: open,
    standing: () => state.standing,
    caller: () => ({ podUid: 'pod-1', identity: undefined, pid: 7, incarnation: () => 'a' }),
  });
  const metadata = new Metadata();
  metadata.set('workload.spiffe.io', 'true');
  const context = { metadata, peer: 'p', signal: new AbortController().signal } as unknown as CallContext;
  return { state, open, calls, context };
}

describe('a call that is answered once', () => {
  it('gets its answer where the pod holds what it held, and more', async () => {
    const { state, open, calls, context } = setting();
    const answer = calls.once(context, async () => {
      await Promise.resolve();
      state.standing = holding('stock', 'extra', 'till');
      return 'signed';
    });
    expect(await answer).toBe('signed');
    expect(open.total).toBe(0);
  });

  it.each([
    ['the module was refused', REFUSED, 'PermissionDenied', /^LineageMismatch/],
    ['nothing can be issued any more', AWAY, 'Unavailable', /^IssuerNotReady/],
    ['the container ended', { state: 'Pending' } as const, 'Unavailable', /ask again/],
    ['one of its identities was withdrawn', holding('till'), 'Unavailable', /ask again/],
  ])('gets none where %s meanwhile', async (_what, standing, code, message) => {
    const { state, open, calls, context } = setting();
    const answer = calls.once(context, async () => {
      await Promise.resolve();
      state.standing = standing;
      return 'signed';
    });
    await expect(answer).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(open.total).toBe(0);
  });
});
