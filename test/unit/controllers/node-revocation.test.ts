// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { NodeRevocation } from '../../../controllers/node-revocation.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { RevocationLists, RevokeRequest } from '../../../src/notary/revocation-port.ts';

const VIOLATION = { reason: 'privilegeWithdrawn', cause: 'CodeNotFromImage' } as const;
const END = { reason: 'cessationOfOperation', cause: 'ProcessEnded' } as const;
const LISTS: RevocationLists = { crls: [], tokens: [{ jti: 'a', until: 1 }] };

function setting() {
  const state = {
    failure: undefined as KeysteadError | undefined,
    certificates: 1,
    done: [] as string[],
  };
  const perform = (what: string) => {
    if (state.failure) return Promise.reject(state.failure);
    state.done.push(what);
    return Promise.resolve({ certificates: state.certificates, tokens: 0 });
  };
  const subject = new NodeRevocation({
    notary: {
      revoke: ({ podUid, identity = 'all', cause }: RevokeRequest) => perform(`revoke ${podUid} ${identity} ${cause}`),
      revokeOthers: ({ podUids }) => perform(`revoke all but ${podUids.join(' ')}`),
      revocationLists: () => {
        state.done.push('fetch');
        return Promise.resolve(LISTS);
      },
    },
    enqueue: (key) => state.done.push(`enqueue ${key}`),
    podUids: () => ['pod-1', 'pod-2'],
    revoked: () => undefined,
    changed: (urgent) => state.done.push(urgent ? 'changed at once' : 'changed'),
  });
  return { state, subject };
}

describe('revocation on a node', () => {
  it('is carried out, and its lists are told of at once where a process was refused', async () => {
    const { state, subject } = setting();
    subject.revoke({ podUid: 'pod-1', ...VIOLATION });
    await subject.reconcile('pod-1');
    expect(state.done).toEqual(['enqueue pod-1', 'revoke pod-1 all CodeNotFromImage', 'fetch', 'changed at once']);
    expect(subject.lists).toBe(LISTS);
  });

  it('is told of later where a process has just ended, and not at all where there was nothing to revoke', async () => {
    const { state, subject } = setting();
    subject.revoke({ podUid: 'pod-1', ...END });
    await subject.reconcile('pod-1');
    expect(state.done.slice(1)).toEqual(['revoke pod-1 all ProcessEnded', 'fetch', 'changed']);
    state.certificates = 0;
    subject.revoke({ podUid: 'pod-1', ...END });
    await subject.reconcile('pod-1');
    expect(state.done.slice(4)).toEqual(['enqueue pod-1', 'revoke pod-1 all ProcessEnded']);
  });

  it('waits while the notary is away, and is done before anything new is issued', async () => {
    const { state, subject } = setting();
    state.failure = new KeysteadError('Unavailable', 'the notary is away');
    subject.revoke({ podUid: 'pod-1', ...VIOLATION });
    await expect(subject.reconcile('pod-1')).rejects.toThrow('away');
    await expect(subject.settled('pod-1')).rejects.toThrow('away');
    await expect(subject.settled('pod-2')).resolves.toBeUndefined();
    state.failure = undefined;
    await subject.settled('pod-1');
    expect(state.done).toContain('revoke pod-1 all CodeNotFromImage');
    await subject.reconcile('pod-1');
    expect(state.done.filter((done) => done.startsWith('revoke'))).toHaveLength(1);
  });

  it('does several of one pod in their order', async () => {
    const { state, subject } = setting();
    subject.revoke({ podUid: 'pod-1', identity: 'till', ...END });
    subject.revoke({ podUid: 'pod-1', ...VIOLATION });
    await Promise.all([subject.reconcile('pod-1'), subject.settled('pod-1')]);
    expect(state.done.filter((done) => done.startsWith('revoke'))).toEqual([
      'revoke pod-1 till ProcessEnded',
      'revoke pod-1 all CodeNotFromImage',
    ]);
  });

  it('makes up for pods that left while no agent was there, once', async () => {
    const { state, subject } = setting();
    subject.revokeOthers();
    await subject.reconcile('');
    await subject.reconcile('');
    expect(state.done).toEqual(['enqueue ', 'revoke all but pod-1 pod-2', 'fetch', 'changed']);
  });

  it('fetches the lists when the notary has others, as after its daily signature', async () => {
    const { state, subject } = setting();
    const summary = { crls: [], tokenVersion: 1 };
    await subject.follow(undefined);
    await subject.follow(summary);
    await subject.follow({ ...summary });
    expect(state.done).toEqual(['fetch', 'changed']);
    await subject.follow({ ...summary, tokenVersion: 2 });
    expect(state.done).toHaveLength(4);
  });
});
