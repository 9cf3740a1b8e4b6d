// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { HubKeysReconciler } from '../../../controllers/hub-keys.ts';
import type { Pod } from '../../../src/api/pod.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { HubKeyImportId, HubKeyName } from '../../../src/notary/hub-port.ts';
import { aModule, anIdentity, aPod } from '../../fakes/agent.ts';

const MINUTE = 60_000;
const HUB = { hubHostName: 'h', moduleId: '$edgeHub', generationId: '638', keysSecretName: 'keys' };
const { keysSecretName: _, ...DERIVING } = HUB;
const key = (keyId: HubKeyImportId = 'primary', change: Partial<HubKeyName['module']> = {}): HubKeyName => ({
  module: { namespace: 'shop', moduleId: '$edgeHub', generationId: '638', ...change },
  keyId,
});
const importing = (change: Partial<typeof HUB> = {}): ModuleIdentity => anIdentity({ iotEdge: { ...HUB, ...change } });

let state: {
  now: number;
  ready: boolean;
  held: HubKeyName[];
  identities: ModuleIdentity[];
  pods: Pod[];
  failure?: KeysteadError;
};
let keys: HubKeysReconciler;

beforeEach(() => {
  const held = [key('primary'), key('secondary'), key('encryption')];
  state = { now: 0, ready: true, held, identities: [importing()], pods: [aPod()] };
  const ofShop = <T>(namespace: string, all: T[]): T[] => (namespace === 'shop' ? all : []);
  keys = new HubKeysReconciler({
    clock: { now: () => state.now },
    ready: () => state.ready,
    list: () => Promise.resolve([...state.held]),
    destroy: (gone) => {
      if (state.failure) return Promise.reject(state.failure);
      state.held = state.held.filter((each) => JSON.stringify(each) !== JSON.stringify(gone));
      return Promise.resolve();
    },
    namespaceIdentities: (namespace) => ofShop(namespace, state.identities),
    pods: (namespace) => ofShop(namespace, state.pods),
    modules: (namespace) => ofShop(namespace, [aModule()]),
    identities: (namespace) => ofShop(namespace, state.identities),
  });
});

describe('keys that a hub made', () => {
  it('stay while a pod of the module is on the node', async () => {
    for (let look = 0; look < 5; look++) {
      await keys.reconcile();
      state.now += 60 * MINUTE;
    }
    expect(state.held).toHaveLength(3);
  });

  it('are destroyed when the identity is deleted, and those of others stay', async () => {
    state.held.push(key('primary', { moduleId: 'gone' }), key('primary', { namespace: 'office' }));
    await keys.reconcile();
    expect(state.held).toEqual([key('primary'), key('secondary'), key('encryption')]);
    state.identities = [];
    await keys.reconcile();
    expect(state.held).toEqual([]);
  });

  it('are destroyed when the identity has no keys brought in any more, or none of a hub', async () => {
    state.identities = [anIdentity({ iotEdge: DERIVING })];
    await keys.reconcile();
    expect(state.held).toEqual([]);
    state.held = [key()];
    state.identities = [anIdentity()];
    await keys.reconcile();
    expect(state.held).toEqual([]);
  });

  it('are destroyed a minute after the identity was made anew, or is another generation', async () => {
    state.held = [key('primary', { generationId: 'i-before' }), key('primary', { generationId: 'i-till' })];
    const { generationId: __, ...ofUid } = HUB;
    state.identities = [anIdentity({ iotEdge: ofUid })];
    expect(await keys.reconcile()).toEqual({ requeueAfterMs: MINUTE });
    expect(state.held).toHaveLength(2);
    state.now += MINUTE;
    await keys.reconcile();
    expect(state.held).toEqual([key('primary', { generationId: 'i-till' })]);
  });

  it.each<[string, Pod[]]>([
    ['has left', []],
    ['has ended', [aPod({ phase: 'Succeeded' })]],
  ])(
    'are kept for some minutes after the last pod %s, and are destroyed when none comes back, but for that of ciphertexts',
    async (_what, pods) => {
      state.pods = pods;
      expect(await keys.reconcile()).toEqual({ requeueAfterMs: 10 * MINUTE });
      state.now += 9 * MINUTE;
      await keys.reconcile();
      expect(state.held).toHaveLength(3);
      state.pods = [aPod({ uid: 'pod-2' })];
      await keys.reconcile();
      state.pods = pods;
      await keys.reconcile();
      state.now += 9 * MINUTE;
      await keys.reconcile();
      expect(state.held).toHaveLength(3);
      state.now += MINUTE;
      await keys.reconcile();
      // What the module had encrypted before could not be read again.
      expect(state.held).toEqual([key('encryption')]);
    },
  );

  it('stay for a pod that comes while another key is destroyed', async () => {
    state.pods = [];
    state.held = [key('primary', { moduleId: 'gone' }), key()];
    await keys.reconcile();
    state.held.unshift(key('primary', { moduleId: 'gone' }));
    state.now += 10 * MINUTE;
    const looking = keys.reconcile();
    state.pods = [aPod()];
    await looking;
    expect(state.held).toEqual([key()]);
  });

  it('are left alone while the identities are not known or no token is open, whatever it looks like', async () => {
    state.ready = false;
    state.identities = [];
    await keys.reconcile();
    expect(state.held).toHaveLength(3);
    state.ready = true;
    await keys.reconcile();
    expect(state.held).toEqual([]);
  });

  it('are tried again where one cannot be destroyed', async () => {
    state.identities = [];
    state.failure = new KeysteadError('TokenFailed', 'C_DestroyObject: CKR_DEVICE_ERROR');
    await expect(keys.reconcile()).rejects.toMatchObject({ code: 'TokenFailed' });
    delete state.failure;
    await keys.reconcile();
    expect(state.held).toEqual([]);
  });
});
