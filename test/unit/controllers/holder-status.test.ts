// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { HolderStatus } from '../../../controllers/holder-status.ts';
import { PodGate } from '../../../controllers/pod-gate.ts';
import type { Pod } from '../../../src/api/pod.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { holderEntry, issuedBefore, recordedSince, type Holding } from '../../../src/identity/holding.ts';
import { aContainer, anIdentity, aPod, aProcess, CONTAINER_ID, DIGEST } from '../../fakes/agent.ts';

const NOW = Date.parse('2026-11-22T10:00:00.500Z');
const ISSUED = { serial: '0a', notBefore: NOW, notAfter: NOW + 3_600_000, renewalTime: NOW + 1_800_000, revision: 2 };

function aHolding(change: Partial<Holding> = {}): Holding {
  return {
    podUid: 'pod-1',
    namespace: 'shop',
    pod: 'till-0',
    verdict: 'Allowed',
    since: NOW,
    container: aContainer(),
    process: aProcess(),
    identities: ['till'],
    issued: new Map([['till', ISSUED]]),
    refused: new Map(),
    ...change,
  };
}

describe('an entry of status.holders', () => {
  it('says who holds what, since when and until when', () => {
    expect(holderEntry(aHolding(), 'till', 'node-1')).toEqual({
      podUid: 'pod-1',
      pod: 'till-0',
      node: 'node-1',
      verdict: 'Allowed',
      since: '2026-11-22T10:00:00Z',
      container: 'main',
      containerId: CONTAINER_ID,
      imageDigest: DIGEST,
      pid: 4242,
      executable: { path: '/bin/till', sha256: 'e'.repeat(64) },
      serial: '0a',
      notBefore: '2026-11-22T10:00:00Z',
      notAfter: '2026-11-22T11:00:00Z',
      renewalTime: '2026-11-22T10:30:00Z',
      revision: 2,
      key: { residency: 'Memory' },
    });
  });

  it('names a key in the token, and is remembered with it by the next agent', () => {
    const uri = 'pkcs11:token=t;object=k';
    const heldKey = { name: { identityUid: 'i-till', generation: 3 }, uri };
    const [name, issued] = [...aHolding().issued][0]!;
    const entry = holderEntry(aHolding({ issued: new Map([[name, { ...issued, heldKey }]]) }), 'till', 'node-1');
    expect(entry).toMatchObject({ key: { residency: 'Hardware', uri, generation: 3 } });
    const status = { holders: [entry] } as unknown as NonNullable<ModuleIdentity['status']>;
    expect(issuedBefore({ ...anIdentity(), status }, 'pod-1', CONTAINER_ID)).toMatchObject({ heldKey });
  });

  it('is Denied where the process was allowed and the identity refused, with the reason', () => {
    const refused = new Map([['till', { reason: 'IdentityTaken', message: 'taken' }]]);
    const entry = holderEntry(aHolding({ issued: new Map(), refused }), 'till', 'node-1');
    expect(entry).toMatchObject({ verdict: 'Denied', reason: 'IdentityTaken', message: 'taken' });
    expect(entry).not.toHaveProperty('serial');
  });

  it('cuts a message that would not fit, and leaves out a hash that could not be taken', () => {
    const process = aProcess({ executable: { path: '/x', sha256: '', problem: 'too large' } });
    const refusal = { reason: 'ExecutableNotAllowed', message: 'x'.repeat(5000) };
    const entry = holderEntry(aHolding({ verdict: 'Denied', refusal, process }), 'till', 'node-1');
    expect(String(entry['message'])).toHaveLength(1024);
    expect(entry).not.toHaveProperty('executable');
  });
});

describe('what an agent remembers by the status', () => {
  const entry = holderEntry(aHolding(), 'till', 'node-1');
  const identity = { ...anIdentity(), status: { holders: [entry] } } as unknown as ModuleIdentity;

  it('is what was issued to the very same container', () => {
    expect(issuedBefore(identity, 'pod-1', CONTAINER_ID)).toMatchObject({ serial: '0a', revision: 2 });
    expect(issuedBefore(identity, 'pod-1', 'another')).toBeUndefined();
    expect(issuedBefore(identity, 'pod-2', CONTAINER_ID)).toBeUndefined();
  });

  it('is since when it stands so, where it says the same', () => {
    expect(recordedSince([identity], aHolding())).toBe(Date.parse('2026-11-22T10:00:00Z'));
    expect(recordedSince([identity], aHolding({ verdict: 'Denied' }))).toBeUndefined();
  });
});

describe('the status of an identity', () => {
  function setting(identity: ModuleIdentity | undefined) {
    const state = { identity, holdings: [aHolding()], applied: [] as string[][] };
    const subject = new HolderStatus({
      node: 'node-1',
      holdings: () => state.holdings,
      identity: () => state.identity,
      apply: (_namespace, _name, holders) => {
        state.applied.push(holders.map((holder) => String(holder['podUid'])));
        return Promise.resolve();
      },
    });
    return { state, subject };
  }

  it('is written once, and again when it changes', async () => {
    const { state, subject } = setting(anIdentity());
    await subject.reconcile('shop/till');
    await subject.reconcile('shop/till');
    expect(state.applied).toEqual([['pod-1']]);
    state.holdings = [];
    await subject.reconcile('shop/till');
    expect(state.applied).toEqual([['pod-1'], []]);
  });

  it('is written again where it shows something else: an older write may have come after it', async () => {
    const known = (resourceVersion: string, ...holders: object[]): ModuleIdentity =>
      ({
        ...anIdentity(),
        metadata: { ...anIdentity().metadata, resourceVersion },
        status: { holders },
      }) as ModuleIdentity;
    const ended = { ...holderEntry(aHolding(), 'till', 'node-1'), verdict: 'Ended' };
    const other = { podUid: 'pod-0', node: 'node-2' };
    const { state, subject } = setting(known('1', ended));
    const writes = async (identity: ModuleIdentity): Promise<number> => {
      state.identity = identity;
      state.applied.length = 0;
      await subject.reconcile('shop/till');
      return state.applied.length;
    };
    expect(await writes(known('1', ended))).toBe(1);
    expect(await writes(known('1', ended))).toBe(0);
    expect(await writes(known('2', holderEntry(aHolding(), 'till', 'node-1'), other))).toBe(0);
    expect(await writes(known('3', ended, other))).toBe(1);
    expect(await writes(known('3', ended, other))).toBe(0);
  });

  it('holds nothing of pods of another identity or namespace', async () => {
    const { state, subject } = setting(anIdentity());
    state.holdings = [aHolding({ identities: ['other'] }), aHolding({ namespace: 'bank' })];
    await subject.reconcile('shop/till');
    expect(state.applied).toEqual([]);
  });

  it('loses what a former run of this agent left in it', async () => {
    const { state, subject } = setting({
      ...anIdentity(),
      status: { holders: [{ podUid: 'old', node: 'node-1' }] },
    } as unknown as ModuleIdentity);
    state.holdings = [];
    await subject.reconcile('shop/till');
    expect(state.applied).toEqual([[]]);
  });

  it('is not written for an identity that is gone', async () => {
    const { state, subject } = setting(undefined);
    await subject.reconcile('shop/till');
    expect(state.applied).toEqual([]);
  });
});

describe('the readiness gate of a pod', () => {
  const gated: Pod = {
    ...aPod(),
    spec: { ...aPod().spec, readinessGates: [{ conditionType: 'keystead.dev/attested' }] },
  };

  async function written(pod: Pod, holding: Holding | undefined): Promise<Readonly<Record<string, string>>[]> {
    const conditions: Readonly<Record<string, string>>[] = [];
    const gate = new PodGate({
      clock: { now: () => NOW },
      pod: () => pod,
      holding: () => holding,
      apply: (_pod, condition) => {
        conditions.push(condition);
        return Promise.resolve();
      },
    });
    await gate.reconcile('pod-1');
    return conditions;
  }

  it.each([
    ['an attested pod', aHolding(), 'True', 'Attested'],
    [
      'a denied pod',
      aHolding({ verdict: 'Denied', refusal: { reason: 'ImageDigestMismatch', message: 'm' } }),
      'False',
      'ImageDigestMismatch',
    ],
    [
      'a pod whose identity was refused',
      aHolding({ refused: new Map([['till', { reason: 'PinRejected', message: 'm' }]]) }),
      'False',
      'PinRejected',
    ],
    ['a pod not looked at yet', undefined, 'False', 'Pending'],
  ])('of %s is %3$s', async (_what, holding, status, reason) => {
    expect(await written(gated, holding)).toMatchObject([{ type: 'keystead.dev/attested', status, reason }]);
  });

  it('is not written again where it stands already, nor where the pod has none', async () => {
    const conditions = [{ type: 'keystead.dev/attested', status: 'True', reason: 'Attested' }];
    expect(await written({ ...gated, status: { conditions } }, aHolding())).toEqual([]);
    expect(await written(aPod(), aHolding())).toEqual([]);
  });
});
