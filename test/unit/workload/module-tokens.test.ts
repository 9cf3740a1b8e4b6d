// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { IssuedToken, TokenRequest } from '../../../src/notary/port.ts';
import { ModuleTokens } from '../../../src/workload/spiffe/module-tokens.ts';

const REQUEST = {
  spiffeId: 'spiffe://edge.example/ns/shop/module/till',
  audiences: ['server'],
  lifetimeSeconds: 300,
  requester: { podUid: 'pod-1' },
} as unknown as TokenRequest;

function setting() {
  const state = { now: 1_000_000_000, issued: 0 };
  const tokens = new ModuleTokens({
    now: () => state.now,
    isPublished: () => true,
    issue: () => {
      const token = { token: String(++state.issued), keyId: 'k', expiresAt: state.now + 300_000 };
      return Promise.resolve(token as unknown as IssuedToken);
    },
  });
  return { state, take: async () => (await tokens.token(REQUEST)).token };
}

describe('a token of a module', () => {
  it('is given out again until half of its life is over', async () => {
    const { state, take } = setting();
    expect([await take(), await take()]).toEqual(['1', '1']);
    state.now += 150_000;
    expect(await take()).toBe('2');
  });

  it('is not given out again after the clock was set back: it would be good for too long', async () => {
    const { state, take } = setting();
    state.now += 3_600_000;
    expect(await take()).toBe('1');
    state.now -= 3_600_000;
    expect([await take(), await take()]).toEqual(['2', '2']);
  });
});
