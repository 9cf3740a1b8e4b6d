// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { ModuleKeysReconciler } from '../../../controllers/module-keys.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { ModuleKeyName } from '../../../src/notary/key-port.ts';
import { anIdentity } from '../../fakes/agent.ts';

const MINUTE = 60_000;
const key = (identityUid: string, generation = 1): ModuleKeyName => ({ identityUid, generation });
const hardware = (rotation?: string): ModuleIdentity =>
  anIdentity({ key: { residency: 'Hardware', ...(rotation !== undefined && { rotation }) } });

function setting() {
  const state = {
    now: Date.parse('2026-01-01T00:00:00Z'),
    ready: true,
    knowsIdentities: true,
    token: [key('i-till')] as ModuleKeyName[],
    identities: new Map([['i-till', hardware()]]),
    used: [] as ModuleKeyName[],
    lost: [] as ModuleKeyName[],
    failure: undefined as KeysteadError | undefined,
  };
  const keys = new ModuleKeysReconciler({
    clock: { now: () => state.now },
    ready: () => state.ready,
    knowsIdentities: () => state.knowsIdentities,
    list: () => Promise.resolve([...state.token]),
    destroy: ({ identityUid, generation }) => {
      if (state.failure) return Promise.reject(state.failure);
      state.token = state.token.filter(
        (present) => present.identityUid !== identityUid || present.generation !== generation,
      );
      return Promise.resolve();
    },
    identity: (uid) => state.identities.get(uid),
    inUse: () => state.used,
    lost: (gone) => state.lost.push(gone),
  });
  return { state, keys };
}

describe('the module keys on the token', () => {
  it('stay while a pod holds a certificate for them', async () => {
    const { state, keys } = setting();
    state.used = [key('i-till')];
    for (let look = 0; look < 5; look++) {
      state.now += 60 * MINUTE;
      await keys.reconcile();
    }
    expect(state.token).toEqual([key('i-till')]);
  });

  it('are destroyed when the identity is deleted, and those of others stay', async () => {
    const { state, keys } = setting();
    state.identities.set('i-other', hardware());
    state.token.push(key('i-other'), key('i-gone'));
    await keys.reconcile();
    expect(state.token).toEqual([key('i-till'), key('i-other')]);
  });

  it('stay while the identities are not known from the API server, and one that is missing is found', async () => {
    const { state, keys } = setting();
    state.token.push(key('i-newer'));
    state.used = [key('i-lost')];
    state.knowsIdentities = false;
    await keys.reconcile();
    expect(state.token).toEqual([key('i-till'), key('i-newer')]);
    expect(state.lost).toEqual([key('i-lost')]);
    state.knowsIdentities = true;
    await keys.reconcile();
    expect(state.token).toEqual([key('i-till')]);
  });

  it('are destroyed when the identity asks for a key in memory, once no pod uses them', async () => {
    const { state, keys } = setting();
    state.identities.set('i-till', anIdentity());
    state.used = [key('i-till')];
    await keys.reconcile();
    expect(state.token).toHaveLength(1);
    state.used = [];
    await keys.reconcile();
    expect(state.token).toEqual([]);
  });

  it('are destroyed a minute after they were rotated out, unless a pod still uses them', async () => {
    const { state, keys } = setting();
    state.identities.set('i-till', {
      ...hardware('1h'),
      metadata: { uid: 'i-till', creationTimestamp: '2025-12-31T22:30:00Z' },
    });
    state.token = [key('i-till', 1), key('i-till', 2)];
    state.used = [key('i-till', 1), key('i-till', 2)];
    await keys.reconcile();
    state.used = [key('i-till', 2)];
    expect(await keys.reconcile()).toEqual({ requeueAfterMs: MINUTE });
    expect(state.token).toHaveLength(2);
    state.now += MINUTE;
    await keys.reconcile();
    expect(state.token).toEqual([key('i-till', 2)]);
  });

  it('are kept for a module whose pod is away for some minutes, and are destroyed when it does not come back', async () => {
    const { state, keys } = setting();
    await keys.reconcile();
    state.now += 9 * MINUTE;
    await keys.reconcile();
    expect(state.token).toHaveLength(1);
    state.now += MINUTE;
    await keys.reconcile();
    expect(state.token).toEqual([]);
  });

  it('are not destroyed while a certificate for them is being asked for', async () => {
    const { state, keys } = setting();
    await keys.reconcile();
    state.now += 10 * MINUTE;
    keys.touch(key('i-till'));
    await keys.reconcile();
    expect(state.token).toHaveLength(1);
  });

  it('are missed when they are gone though in use, until they are asked for again', async () => {
    const { state, keys } = setting();
    state.used = [key('i-till')];
    state.token = [];
    await keys.reconcile();
    expect(state.lost).toEqual([key('i-till')]);
    expect(keys.isLost(key('i-till'))).toBe(true);
    expect(keys.isLost(key('i-till', 2))).toBe(false);
    keys.touch(key('i-till'));
    expect(keys.isLost(key('i-till'))).toBe(false);
  });

  it('are left alone while the notary has no token open, and tried again when one cannot be destroyed', async () => {
    const { state, keys } = setting();
    state.identities.clear();
    state.ready = false;
    await keys.reconcile();
    expect(state.token).toHaveLength(1);
    state.ready = true;
    state.failure = new KeysteadError('TokenFailed', 'C_DestroyObject: CKR_DEVICE_ERROR');
    await expect(keys.reconcile()).rejects.toMatchObject({ code: 'TokenFailed' });
    state.failure = undefined;
    await keys.reconcile();
    expect(state.token).toEqual([]);
  });
});
