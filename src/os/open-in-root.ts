// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

/** Number of openat2(2), the same on every architecture; Linux 5.6 and later. */
const SYS_OPENAT2 = 437;
const O_PATH = 0x200000n;
const O_CLOEXEC = 0x80000n;
/** Absolute links and `..` stay below the given root; links of /proc are not followed. */
const RESOLVE_IN_ROOT = 0x10n;
/** `struct open_how`: flags, mode, resolve, 64 bits each. */
const HOW_BYTES = 24;

const syscall = libc('long syscall(long number, long directory, const char *path, void *how, unsigned long size)');
const openPath = libc('int open(const char *path, int flags)');

/**
 * Finds a file as a process whose root directory is `root` would, whatever links it has laid there, and gives a
 * descriptor that names the file without opening it (O_PATH): neither a FIFO nor a device can hold the caller up.
 * Throws `Internal` with the errno name as `cause.code`, ENOENT where nothing is there. The caller closes it.
 */
export function openInRoot(root: number, path: string): number {
  const how = Buffer.alloc(HOW_BYTES);
  how.writeBigUInt64LE(O_PATH | O_CLOEXEC, 0);
  how.writeBigUInt64LE(RESOLVE_IN_ROOT, 16);
  return syscall(SYS_OPENAT2, root, path, how, HOW_BYTES);
}

/** A descriptor of a directory for `openInRoot`, which follows links of /proc. The caller closes it. */
export function openDirectory(path: string): number {
  return openPath(path, Number(O_PATH | O_CLOEXEC));
}
