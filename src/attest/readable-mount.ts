// SPDX-License-Identifier: Apache-2.0
import { parseMount, type MountEntry } from '../os/mountinfo.ts';
import { readProcUpTo } from '../os/proc.ts';
import type { FileStatus } from '../os/file-status.ts';

/** File systems whose answers come from another process or machine, which may never give one. */
const REMOTE = /^(?:fuse|nfs|cifs|smb|ceph|9p|afs)/;

/** Of a mount namespace of its own a process may make the list as long as it likes. */
const MOST_BYTES = 32 * 2 ** 20;

/**
 * Why a file that a process shows is better not read: a module that serves its own files could otherwise hold the
 * threads of this program for ever. Undefined where it may be read. Throws ProcessGone.
 */
export function whyNotToRead(pid: number, status: FileStatus): string | undefined {
  if (status.mountId === undefined) return undefined;
  const start = `${status.mountId} `;
  const line = readProcUpTo(pid, 'mountinfo', MOST_BYTES)
    ?.split('\n')
    .find((candidate) => candidate.startsWith(start));
  const type = line === undefined ? undefined : parseMount(line)?.type;
  if (type === undefined) return 'it is not read, as it lies in no mount of the process';
  return REMOTE.test(type) ? `it is not read, as it lies on a ${type} file system` : undefined;
}

/**
 * The mount of such a file system in which a path lies by its name, as the process has its mounts; undefined for another one.
 * Throws ProcessGone.
 */
export function remoteMountOf(pid: number, path: string): MountEntry | undefined {
  const mounts = readProcUpTo(pid, 'mountinfo', MOST_BYTES)
    ?.split('\n')
    .flatMap((line) => parseMount(line) ?? []);
  const above = mounts?.filter(({ mountPoint }) => path.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`)) ?? [];
  // Of mounts at one place the last is the one that is seen.
  const [nearest] = above.reverse().sort((one, other) => other.mountPoint.length - one.mountPoint.length);
  return nearest && REMOTE.test(nearest.type) ? nearest : undefined;
}
