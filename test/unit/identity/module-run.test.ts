// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { trimPod, type Pod, type PodContainerStatus } from '../../../src/api/pod.ts';
import type { Holding } from '../../../src/identity/holding.ts';
import { moduleRun } from '../../../src/identity/module-run.ts';
import { aContainer, aPod, CONTAINER_ID } from '../../fakes/agent.ts';

const STARTED = '2026-11-22T12:00:00Z';
const FINISHED = '2026-11-22T12:30:00Z';
const ended = (exitCode: number) => ({ terminated: { exitCode, startedAt: STARTED, finishedAt: FINISHED } });

/** As the agent keeps it. */
function podThat(status: Omit<PodContainerStatus, 'name'>): Pod {
  const sidecar = { name: 'sidecar', state: ended(3) };
  const main = { name: 'main', containerID: `containerd://${CONTAINER_ID}`, ...status };
  return trimPod({ ...aPod(), status: { phase: 'Running', containerStatuses: [sidecar, main] } });
}

const held = (verdict: Holding['verdict'] = 'Allowed', id = CONTAINER_ID): Holding => ({
  ...{ podUid: 'pod-1', namespace: 'shop', pod: 'p', verdict, since: 0, container: aContainer({ id }) },
  ...{ identities: ['till'], issued: new Map(), refused: new Map() },
});

const RUNNING = { state: { running: { startedAt: STARTED } } };

describe('the run of a module that runs', () => {
  it('has the time at which the runtime started its container', () => {
    expect(moduleRun(podThat(RUNNING), 'main', held())).toEqual({ status: 'running', startTime: STARTED });
    expect(moduleRun(podThat(RUNNING), 'main', held('Denied'))).toEqual({ status: 'running', startTime: STARTED });
  });

  it('has no time while the kubelet speaks of the container before it, or has not spoken', () => {
    expect(moduleRun(podThat(RUNNING), 'main', held('Allowed', 'd'.repeat(64)))).toEqual({ status: 'running' });
    expect(moduleRun(aPod(), 'main', held())).toEqual({ status: 'running' });
  });

  it('says how the one before it ended', () => {
    const exit = { code: 137, time: FINISHED };
    const pod = podThat({ ...RUNNING, lastState: ended(137) });
    expect(moduleRun(pod, 'main', held())).toEqual({ status: 'running', startTime: STARTED, exit });
  });

  it('is known before it was judged', () => {
    expect(moduleRun(podThat(RUNNING), 'main', undefined)).toEqual({ status: 'running', startTime: STARTED });
  });
});

describe('the run of a module that has ended', () => {
  it.each([
    [0, 'stopped'],
    [1, 'failed'],
    [137, 'failed'],
  ])('with exit code %d is %s', (code, status) => {
    const exit = { code, time: FINISHED };
    expect(moduleRun(podThat({ state: ended(code) }), 'main', held('Ended'))).toEqual({
      ...{ status, startTime: STARTED, exit },
    });
  });

  it('is unknown while the kubelet still says that it runs', () => {
    expect(moduleRun(podThat(RUNNING), 'main', held('Ended'))).toEqual({ status: 'unknown' });
  });

  it('is stopped while it waits for its next start', () => {
    const exit = { code: 1, time: FINISHED };
    expect(moduleRun(podThat({ lastState: ended(1) }), 'main', held('Ended'))).toEqual({ status: 'stopped', exit });
  });
});

it('is unknown where the kubelet has said nothing of a container, or there is none', () => {
  expect(moduleRun(aPod(), 'main', undefined)).toEqual({ status: 'unknown' });
  expect(moduleRun(podThat(RUNNING), undefined, undefined)).toEqual({ status: 'unknown' });
});
