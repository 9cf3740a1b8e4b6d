// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { IdentitySecret, type SecretContent } from '../../../controllers/identity-secret.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { anIdentity, aPod } from '../../fakes/agent.ts';

const identity = anIdentity({ delivery: ['Secret'], secretName: 'till-tls' });
const credentials = { privateKey: 'k', chain: 'c' };

function setting() {
  const state = { applied: [] as SecretContent[], enqueued: [] as string[], down: false };
  const subject = new IdentitySecret({
    enqueue: (key) => state.enqueued.push(key),
    apply: (content) => {
      if (state.down) return Promise.reject(new Error('the API server is away'));
      state.applied.push(content);
      return Promise.resolve();
    },
  });
  return { state, subject };
}

describe('delivery into a Secret', () => {
  it('is done in the background and once', async () => {
    const { state, subject } = setting();
    subject.write(identity, aPod(), credentials);
    expect(state.enqueued).toEqual(['shop/till-tls']);
    await subject.reconcile('shop/till-tls');
    await subject.reconcile('shop/till-tls');
    expect(state.applied).toMatchObject([{ namespace: 'shop', name: 'till-tls', podUid: 'pod-1', credentials }]);
  });

  it('is tried again after a failure', async () => {
    const { state, subject } = setting();
    subject.write(identity, aPod(), credentials);
    state.down = true;
    await expect(subject.reconcile('shop/till-tls')).rejects.toThrow('away');
    state.down = false;
    await subject.reconcile('shop/till-tls');
    expect(state.applied).toHaveLength(1);
  });

  it('is taken back from the pod that holds it', async () => {
    const { state, subject } = setting();
    subject.write(identity, aPod(), credentials);
    subject.withdraw(identity, 'pod-1');
    await subject.reconcile('shop/till-tls');
    expect(state.applied).toHaveLength(1);
    expect(state.applied[0]).not.toHaveProperty('credentials');
  });

  it('is not taken back for a pod that no longer holds it', async () => {
    const { state, subject } = setting();
    subject.write(identity, aPod({ uid: 'pod-2' }), credentials);
    subject.withdraw(identity, 'pod-1');
    await subject.reconcile('shop/till-tls');
    expect(state.applied).toMatchObject([{ podUid: 'pod-2', credentials }]);
  });

  it('is taken back after a restart of the agent from the pod that the status names last', () => {
    const { state, subject } = setting();
    const holders = [
      { podUid: 'pod-1', serial: '1', since: '2026-11-22T10:00:00Z' },
      { podUid: 'pod-2', serial: '2', since: '2026-11-22T11:00:00Z' },
    ];
    const known = { ...identity, status: { holders } } as unknown as ModuleIdentity;
    subject.withdraw(known, 'pod-1');
    expect(state.enqueued).toEqual([]);
    subject.withdraw(known, 'pod-2');
    expect(state.enqueued).toEqual(['shop/till-tls']);
  });
});
