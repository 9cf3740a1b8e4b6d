// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { PodCaller } from '../../../controllers/pod-caller.ts';
import type { ContainerEvidence, ProcessEvidence } from '../../../src/attest/port.ts';
import { decide } from '../../../src/attest/decide.ts';
import type { Holding, Issued } from '../../../src/identity/holding.ts';
import { aContainer, aModule, anIdentity, aPod, aProcess, OTHER_DIGEST, OWNERS } from '../../fakes/agent.ts';

const ELSEWHERE = 'd'.repeat(64);
const UNKNOWN = 'f'.repeat(64);

function setting() {
  const state = {
    pod: aPod() as ReturnType<typeof aPod> | undefined,
    containers: [aContainer()] as ContainerEvidence[],
    known: aContainer() as ContainerEvidence | undefined,
    process: { init: 4242 } as Partial<ProcessEvidence>,
    executables: [] as { sha256: string }[],
    onViolation: 'Revoke' as 'Revoke' | 'Report',
    issued: new Map<string, Issued>(),
    inits: [] as number[],
    asked: 0,
    slept: [] as number[],
    /** Looks after which the runtime tells that its containers run. */
    startedAfter: 0,
  };
  const caller = new PodCaller({
    node: 'node-1',
    decide,
    integrity: () => undefined,
    runtime: {
      containersOf: () => Promise.resolve(state.containers.map(({ id }) => id)),
      container: (id) => {
        state.asked += 1;
        const found = state.containers.find((each) => each.id === id);
        const { pid: _notYet, ...created } = found ?? {};
        return Promise.resolve(state.asked > state.startedAfter ? found : (created as ContainerEvidence));
      },
    },
    measure: (pid, init) => {
      state.inits.push(init);
      return Promise.resolve(aProcess({ pid, ...state.process, init }));
    },
    owners: () => Promise.resolve(OWNERS),
    moment: () => ({ now: 0, staleMs: 0 }),
    signature: () => Promise.resolve({ verified: true, message: 'signed' }),
    pod: () => state.pod,
    modules: () => [
      aModule({
        images: [{ digest: aContainer().image.config }],
        onViolation: state.onViolation,
        process: { ...aModule().spec.process, executables: state.executables },
      }),
    ],
    identities: () => [anIdentity({ delivery: ['Socket'] })],
    holding: () => (state.known ? ({ container: state.known, issued: state.issued } as unknown as Holding) : undefined),
    sleep: (milliseconds) => {
      state.slept.push(milliseconds);
      return Promise.resolve();
    },
  });
  return { state, judge: () => caller.judge('pod-1', 5000) };
}

describe('a process that calls over a pod socket', () => {
  it('is allowed in the module container, without asking the runtime again', async () => {
    const { state, judge } = setting();
    expect(await judge()).toMatchObject({ allowed: true });
    expect(state).toMatchObject({ asked: 0, inits: [4242] });
  });

  it.each<[string, string, (state: ReturnType<typeof setting>['state']) => void]>([
    ['of another container', 'ContainerUnknown', (state) => (state.process = { containerId: ELSEWHERE })],
    ['of another pod', 'ContainerUnknown', (state) => (state.process = { podUid: 'pod-2' })],
    [
      'that is the module of another pod',
      'SocketNotOwned',
      (state) => {
        state.process = { containerId: ELSEWHERE, podUid: 'pod-2' };
        state.containers = [aContainer({ id: ELSEWHERE, podUid: 'pod-2' })];
      },
    ],
    [
      'of another container of its own pod',
      'ModuleUnknown',
      (state) => {
        state.process = { containerId: ELSEWHERE };
        state.containers = [aContainer({ id: ELSEWHERE, name: 'sidecar' })];
        state.pod = { ...aPod(), spec: { ...aPod().spec, containers: [{ name: 'main' }, { name: 'sidecar' }] } };
      },
    ],
    [
      'of the host, which is in no container',
      'ContainerUnknown',
      (state) => (state.process = { containerId: undefined, podUid: undefined } as never),
    ],
    [
      'whose pod has no module container any more',
      'ContainerUnknown',
      (state) => {
        state.known = undefined;
        state.containers = [];
      },
    ],
    [
      'of another image',
      'ImageDigestMismatch',
      (state) => {
        state.known = aContainer({ image: { reference: 'r/x', config: OTHER_DIGEST } });
      },
    ],
    [
      'whose code was dropped into the container',
      'CodeNotFromImage',
      (state) => {
        state.process = { mappings: [{ path: '/tmp/x', origin: 'writable' }] };
      },
    ],
  ])('is refused: one %s', async (_what, reason, change) => {
    const { state, judge } = setting();
    change(state);
    expect(await judge()).toMatchObject({ allowed: false, reason });
  });

  it('is judged with the container that has just taken the place of the known one', async () => {
    const { state, judge } = setting();
    state.containers = [aContainer({ id: ELSEWHERE, pid: 4300 })];
    state.process = { containerId: ELSEWHERE };
    expect(await judge()).toMatchObject({ allowed: true });
    expect(state.inits).toEqual([4242, 4300]);
  });

  it('is waited for where the runtime does not yet tell that its container runs', async () => {
    const { state, judge } = setting();
    const { pid: _held, ...created } = aContainer();
    Object.assign(state, { known: created, startedAfter: 3 });
    expect(await judge()).toMatchObject({ allowed: true });
    expect(state.slept).toEqual([2, 3, 5]);
    expect(state.inits.at(-1)).toBe(4242);
  });

  it('cannot be judged while the runtime goes on not to tell', async () => {
    const { state, judge } = setting();
    const { pid: _held, ...created } = aContainer();
    Object.assign(state, { known: created, startedAfter: Infinity });
    await expect(judge()).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('not started'),
    });
    expect(state.slept.reduce((sum, each) => sum + each)).toBeLessThan(5_000);
  });

  it('cannot be judged while its pod is not known', async () => {
    const { state, judge } = setting();
    state.pod = undefined;
    expect(await judge()).toBeUndefined();
  });

  it.each([
    ['is refused under Revoke', { onViolation: 'Revoke', holds: true, change: {} }, false],
    ['is served under Report', { onViolation: 'Report', holds: true, change: {} }, true],
    ['is refused under Report in a pod that holds nothing', { onViolation: 'Report', holds: false, change: {} }, false],
    [
      'of another container is refused under Report',
      { onViolation: 'Report', holds: true, change: { containerId: ELSEWHERE } },
      false,
    ],
  ] as const)('that breaks a rule %s', async (_, { onViolation, holds, change }, allowed) => {
    const { state, judge } = setting();
    Object.assign(state, { onViolation, executables: [{ sha256: UNKNOWN }], process: { ...state.process, ...change } });
    if (holds) state.issued.set('till', {} as Issued);
    expect(await judge()).toMatchObject({ allowed });
  });
});
