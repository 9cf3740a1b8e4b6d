// SPDX-License-Identifier: Apache-2.0
import { listProcesses, ProcessGone, readProc } from '../os/proc.ts';
import { kubepodsRoot, parseCgroup } from './cgroup.ts';
import { unitOf } from './unit.ts';

/**
 * All processes of this node: those in containers of pods by container id, others by their systemd unit. Looks at every process's own cgroup
 * rather than into the cgroup file system: that works alike for v1, v2, cgroups nested in the container's and any
 * cgroup namespace of this program. Some 20-40 µs for each process of the node: call it once for many containers.
 * A process that is born meanwhile may be missed: an exec or fork is told of by other means.
 */
export function processesByPlace(root = kubepodsRoot(readProc(process.pid, 'cgroup'))): Map<string, number[]> {
  const places = new Map<string, number[]>();
  // The processes of a container have the same text, and those of the kernel.
  const known = new Map<string, string | undefined>();
  for (const pid of listProcesses()) {
    const cgroup = cgroupOf(pid);
    if (!known.has(cgroup)) known.set(cgroup, placeOf(cgroup, root));
    const place = known.get(cgroup);
    if (place === undefined) continue;
    const pids = places.get(place);
    if (pids === undefined) places.set(place, [pid]);
    else pids.push(pid);
  }
  return places;
}

/** The processes of one container, its first process among them. */
export function processesOfContainer(containerId: string, root?: string): number[] {
  return processesByPlace(root).get(containerId) ?? [];
}

/** Uid of the pod that a process is in; undefined where it is in none, or has ended. */
export function podOfProcess(pid: number): string | undefined {
  return originOf(pid)?.podUid;
}

/** Id of the container that a process is in; undefined where it is in none, or has ended. */
export function containerOfProcess(pid: number): string | undefined {
  return originOf(pid)?.containerId;
}

function originOf(pid: number): { readonly podUid: string; readonly containerId: string } | undefined {
  const origin = parseCgroup(cgroupOf(pid), kubepodsRoot(readProc(process.pid, 'cgroup')));
  return 'problem' in origin ? undefined : origin;
}

/** Systemd unit that a process is in; undefined where it is in none, or has ended. */
export function unitOfProcess(pid: number): string | undefined {
  return unitOf(cgroupOf(pid));
}

/** A container id has 64 digits, and no unit is called so. */
function placeOf(cgroup: string, root: string): string | undefined {
  const origin = parseCgroup(cgroup, root);
  return 'problem' in origin ? unitOf(cgroup) : origin.containerId;
}

/** Empty for a process that has ended. */
function cgroupOf(pid: number): string {
  try {
    return readProc(pid, 'cgroup');
  } catch (error) {
    if (error instanceof ProcessGone) return '';
    throw error;
  }
}
