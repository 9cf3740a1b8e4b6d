// SPDX-License-Identifier: Apache-2.0
import { readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from './files.ts';
import { libc } from './libc.ts';

const mount = libc(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = libc('int umount2(const char *target, int flags)');

/** mount(2) flags, from linux/mount.h. */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_NOATIME = 1024;
/** umount2(2) flags. */
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** A line of /proc/self/mountinfo, as far as it is needed here. */
export interface MountPoint {
  readonly path: string;
  /** For example `tmpfs`. */
  readonly fileSystem: string;
  /** What was given as source; for a tmpfs a free name. */
  readonly source: string;
}

export interface TmpfsOptions {
  /** Name shown in the first column of `mount` and `df`. */
  readonly source: string;
  /** Most bytes that files may take; memory is taken only as they are written. */
  readonly sizeBytes: number;
  /** Most files, directories and links. */
  readonly inodes: number;
  /** Permissions of the root directory, for example 0o755. */
  readonly mode: number;
}

/**
 * Mounts an empty tmpfs at an existing directory, nosuid, nodev, noexec, noatime. Where the kernel can (6.4), its pages
 * never go to swap, so that a key in it never reaches a disk. Mounting twice stacks: ask `isMountPoint` first.
 */
export function mountTmpfs(target: string, options: TmpfsOptions): void {
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
  const data = `size=${options.sizeBytes},nr_inodes=${options.inodes},mode=${options.mode.toString(8)}`;
  try {
    mount(options.source, target, 'tmpfs', flags, `${data},noswap`);
  } catch (error) {
    // An older kernel does not know noswap, and says the same as for any other bad option.
    if (errnoOf(error) !== 'EINVAL') throw error;
    mount(options.source, target, 'tmpfs', flags, data);
  }
}

/**
 * Takes away every mount at a path; nothing mounted or no such path is fine. A mount in use on the host is detached:
 * it is gone from the tree at once and freed with its last user.
 */
export function unmountAll(target: string): void {
  // Mounts stack where two agents raced; each call takes the topmost.
  for (let left = mountsAt(target).length; left > 0; left--) unmountOne(target);
}

function unmountOne(target: string): void {
  try {
    umount2(target, UMOUNT_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw error;
    umount2(target, UMOUNT_NOFOLLOW | MNT_DETACH);
  }
}

/** Whether anything is mounted at exactly this path, in this process's mount namespace. */
export function isMountPoint(path: string): boolean {
  return mountsAt(path).length > 0;
}

/** What is mounted at exactly this path, the topmost last. Empty where the path does not exist. */
export function mountsAt(path: string): readonly MountPoint[] {
  const real = realParent(path);
  if (real === undefined) return [];
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter((entry) => entry.path === real);
}

/** The kernel lists real paths, but a kubelet root may be reached by a symbolic link. */
function realParent(path: string): string | undefined {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Parses /proc/<pid>/mountinfo (proc_pid_mountinfo(5)); lines of another form are left out. */
export function parseMountInfo(text: string): readonly MountPoint[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const path = before?.split(' ')[4];
    const [fileSystem, source] = after?.split(' ') ?? [];
    if (path === undefined || fileSystem === undefined || source === undefined) return [];
    return [{ path: unescapeOctal(path), fileSystem, source: unescapeOctal(source) }];
  });
}

/** The kernel writes space, tab, newline and backslash as `\040`, `\011`, `\012`, `\134`. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
