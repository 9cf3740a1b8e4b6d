// SPDX-License-Identifier: Apache-2.0
import { listProcesses, ProcessGone, readProc } from '../os/proc.ts';
import { kubepodsRoot, parseCgroup } from './cgroup.ts';

/**
 * All processes of this node that are in containers of pods, by container id. Looks at every process's own cgroup
 * rather than into the cgroup file system: that works alike for v1, v2, cgroups nested in the container's and any
 * cgroup namespace of this program. Some 20-40 µs for each process of the node: call it once for many containers.
 * A process that is born meanwhile may be missed: an exec or fork is told of by other means.
 */
export function processesByContainer(root = kubepodsRoot(readProc(process.pid, 'cgroup'))): Map<string, number[]> {
  const containers = new Map<string, number[]>();
  for (const pid of listProcesses()) {
    const containerId = containerOf(pid, root);
    if (containerId === undefined) continue;
    const pids = containers.get(containerId);
    if (pids === undefined) containers.set(containerId, [pid]);
    else pids.push(pid);
  }
  return containers;
}

/** The processes of one container, its first process among them. */
export function processesOfContainer(containerId: string, root?: string): number[] {
  return processesByContainer(root).get(containerId) ?? [];
}

/** Uid of the pod that a process is in; undefined where it is in none, or has ended. */
export function podOfProcess(pid: number, root = kubepodsRoot(readProc(process.pid, 'cgroup'))): string | undefined {
  return originOf(pid, root)?.podUid;
}

function containerOf(pid: number, root: string): string | undefined {
  return originOf(pid, root)?.containerId;
}

function originOf(pid: number, root: string): { podUid: string; containerId: string } | undefined {
  try {
    const origin = parseCgroup(readProc(pid, 'cgroup'), root);
    return 'problem' in origin ? undefined : origin;
  } catch (error) {
    if (error instanceof ProcessGone) return undefined;
    throw error;
  }
}
