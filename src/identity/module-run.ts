// SPDX-License-Identifier: Apache-2.0
import type { Pod, PodContainerState, PodContainerStatus } from '../api/pod.ts';
import type { ModuleRun } from '../workload/iotedge/port.ts';
import type { Holding } from './holding.ts';

/**
 * How a module's container runs: that it does by what the agent itself has seen, which the kubelet's word follows by a second
 * or two; since when, and how it ended, by the kubelet.
 */
export function moduleRun(pod: Pod, container: string | undefined, holding: Holding | undefined): ModuleRun {
  const said = pod.status?.containerStatuses?.find(({ name }) => name === container);
  const startTime = isLate(said, holding) ? undefined : startOf(said?.state);
  const exit = exitOf(said?.state) ?? exitOf(said?.lastState);
  return {
    status: statusOf(said?.state, holding),
    ...(startTime !== undefined && { startTime }),
    ...(exit && { exit }),
  };
}

/** Whether the kubelet's word is of before what the agent has seen. */
function isLate(said: PodContainerStatus | undefined, holding: Holding | undefined): boolean {
  if (!holding) return false;
  const runs = said?.state?.running !== undefined;
  if (holding.verdict === 'Ended') return runs;
  return !runs || said.containerID?.endsWith(`//${holding.container?.id}`) !== true;
}

/** Waiting to be started counts as stopped, as it does in IoT Edge. */
function statusOf(state: PodContainerState | undefined, holding: Holding | undefined): ModuleRun['status'] {
  if (holding && holding.verdict !== 'Ended') return 'running';
  if (!state) return 'unknown';
  if (state.running) return holding ? 'unknown' : 'running';
  return (state.terminated?.exitCode ?? 0) === 0 ? 'stopped' : 'failed';
}

function startOf({ running, terminated }: PodContainerState = {}): string | undefined {
  return running?.startedAt ?? terminated?.startedAt;
}

function exitOf({ terminated }: PodContainerState = {}): ModuleRun['exit'] {
  const { exitCode, finishedAt } = terminated ?? {};
  return exitCode === undefined || finishedAt === undefined ? undefined : { code: exitCode, time: finishedAt };
}
