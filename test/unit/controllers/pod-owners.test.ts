// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { PodOwners } from '../../../controllers/pod-owners.ts';
import type { PodOwner } from '../../../src/api/pod.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { aPod } from '../../fakes/agent.ts';

const owner = (kind: string, uid: string, apiVersion = 'apps/v1'): PodOwner => ({
  ...{ apiVersion, kind, name: kind.toLowerCase(), uid, controller: true },
});
const MODULE = owner('EdgeModule', 'm', 'keystead.dev/v1alpha1');

function setting(above: Readonly<Record<string, PodOwner | undefined>>) {
  const state = { asked: [] as string[], away: false, uids: {} as Record<string, string> };
  const owners = new PodOwners({
    find: ({ kind, uid }) => {
      state.asked.push(kind);
      if (state.away) return Promise.reject(new KeysteadError('Unavailable', 'away'));
      if (!(uid in above)) return Promise.resolve(undefined);
      const next = above[uid];
      return Promise.resolve({ metadata: { uid: state.uids[uid] ?? uid, ...(next && { ownerReferences: [next] }) } });
    },
  });
  const chain = async (...references: PodOwner[]) => {
    const pod = aPod();
    const found = await owners.chain({ ...pod, metadata: { ...pod.metadata, ownerReferences: references } });
    return found.map(({ kind, uid }) => `${kind} ${uid}`);
  };
  return { state, chain };
}

const DEPLOYED = { rs: owner('Deployment', 'd'), d: MODULE };

describe('the owners of a pod', () => {
  it('are followed up to the module, and asked for once', async () => {
    const { state, chain } = setting(DEPLOYED);
    const found = ['ReplicaSet rs', 'Deployment d', 'EdgeModule m'];
    expect(await chain(owner('ReplicaSet', 'rs'))).toEqual(found);
    state.away = true;
    expect(await chain(owner('ReplicaSet', 'rs'))).toEqual(found);
    expect(state.asked).toEqual(['ReplicaSet', 'Deployment']);
  });

  it('are none for a pod without, or with one that does not control it', async () => {
    const { state, chain } = setting(DEPLOYED);
    expect(await chain()).toEqual([]);
    expect(await chain({ ...owner('ReplicaSet', 'rs'), controller: false })).toEqual([]);
    expect(state.asked).toEqual([]);
  });

  it('end where an owner is gone, or another object has its name', async () => {
    const { state, chain } = setting(DEPLOYED);
    expect(await chain(owner('ReplicaSet', 'unknown'))).toEqual([]);
    state.uids['d'] = 'another';
    expect(await chain(owner('ReplicaSet', 'rs'))).toEqual(['ReplicaSet rs']);
  });

  it('are only named where the pod itself says that a module owns it', async () => {
    const { state, chain } = setting(DEPLOYED);
    expect(await chain(MODULE)).toEqual(['EdgeModule m']);
    expect(state.asked).toEqual([]);
  });

  it('are not taken for a module where the kind is of another group', async () => {
    const { chain } = setting({ ds: owner('EdgeModule', 'm', 'evil.example/v1') });
    expect(await chain(owner('DaemonSet', 'ds'))).toEqual(['DaemonSet ds', 'EdgeModule.evil.example/v1 m']);
  });

  it('are an error while the API server is away, and asked for again', async () => {
    const { state, chain } = setting(DEPLOYED);
    state.away = true;
    await expect(chain(owner('ReplicaSet', 'rs'))).rejects.toThrow('away');
    state.away = false;
    expect(await chain(owner('ReplicaSet', 'rs'))).toHaveLength(3);
  });
});
