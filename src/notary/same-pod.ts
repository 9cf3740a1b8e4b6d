// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';

/** Uid of a pod in a cgroup path: `pod<uid>` as cgroupfs writes it, or with underscores as systemd does. */
const POD_UID = /pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})/;
/** cgroup v2, seen from a container with a cgroup namespace of its own: itself, and a container of the same pod. */
const NAMESPACE_ROOT = /^0::\/$/m;
const SIBLING = /^0::\/\.\.\/[^/]+$/m;

/**
 * Whether a process is in the same pod as this one, by /proc/<pid>/cgroup, which no process can choose for itself. A
 * user id alone is no proof: any pod may run as root and be given this socket's folder by a hostPath. Outside of a pod
 * there is nothing to compare, and the user id decides. Undefined where the process cannot be seen.
 */
export function isInSamePod(pid: number): boolean | undefined {
  try {
    return samePod(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** The same over the two files' texts. Pure. */
export function samePod(own: string, peer: string): boolean {
  const pod = POD_UID.exec(own)?.[1];
  if (pod !== undefined) return POD_UID.exec(peer)?.[1] === pod;
  if (NAMESPACE_ROOT.test(own)) return NAMESPACE_ROOT.test(peer) || SIBLING.test(peer);
  return true;
}
