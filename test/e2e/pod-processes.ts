// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MOUNT_PATH } from '../../src/api/names.ts';
import { until } from '../quickstart/kubectl.ts';

/** Host pids of all processes in a pod, the one that holds its sandbox among them, in the order of their pids. */
export function processesOfPod(podUid: string): number[] {
  return processesIn(podUid);
}

/** Host pids of all processes in a container, in the order of their pids. */
export function processesOfContainer(containerId: string): number[] {
  return processesIn(containerId);
}

function processesIn(cgroupPart: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => cgroupOf(pid).includes(cgroupPart))
    .sort((one, other) => one - other);
}

/** What a process of the pod sees as the identity directory. Waits a moment for a pod that only starts. */
export function identityFolder(podUid: string): Promise<string> {
  return until(`a process of pod ${podUid} with ${MOUNT_PATH}`, 10, () => {
    const folders = processesOfPod(podUid).map((pid) => join(`/proc/${pid}/root`, MOUNT_PATH));
    const folder = folders.find((path) => existsSync(path));
    return Promise.resolve(folder === undefined ? 'none' : { folder });
  }).then(({ folder }) => folder);
}

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').replaceAll('_', '-');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}
