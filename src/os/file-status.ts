// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const AT_FDCWD = -100;
const AT_NO_AUTOMOUNT = 0x800;
const AT_STATX_DONT_SYNC = 0x4000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_INO = 0x100;
const STATX_MNT_ID = 0x1000;
/** Size of `struct statx`. */
const STATX_BYTES = 256;

const statx = libc('int statx(int directory, const char *path, int flags, unsigned int mask, void *status)');

/** What statx(2) tells of a file. */
export interface FileStatus {
  /** `major:minor` as in mountinfo. */
  readonly device: string;
  readonly inode: bigint;
  /** User id in this program's user namespace. */
  readonly owner: number;
  /** Type and permissions, see inode(7). */
  readonly mode: number;
  /** Bytes. */
  readonly size: bigint;
  /** Nanoseconds since the Unix epoch. The kernel sets ctime itself; no call can choose it. */
  readonly ctimeNs: bigint;
  readonly mtimeNs: bigint;
  /** The mount through which the file was reached, as in the first column of mountinfo; undefined before Linux 5.8. */
  readonly mountId?: number;
}

/**
 * Status of the file to which `path` leads (symbolic links, also those of /proc, are followed). Asks no network and no
 * FUSE server (what the kernel has cached must do), so a module cannot block this program by the file that it shows.
 * Throws `Internal` with the errno name as `cause.code`.
 */
export function fileStatus(path: string): FileStatus {
  const status = Buffer.alloc(STATX_BYTES);
  statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, status);
  const mountId = (status.readUInt32LE(0) & STATX_MNT_ID) === 0 ? undefined : Number(status.readBigUInt64LE(144));
  return {
    device: `${status.readUInt32LE(136)}:${status.readUInt32LE(140)}`,
    inode: status.readBigUInt64LE(32),
    owner: status.readUInt32LE(20),
    mode: status.readUInt16LE(28),
    size: status.readBigUInt64LE(40),
    ctimeNs: time(status, 96),
    mtimeNs: time(status, 112),
    ...(mountId === undefined ? {} : { mountId }),
  };
}

/** For all calls of `fileId`: it is read within the call. */
const found = Buffer.alloc(STATX_BYTES);

/**
 * Device and inode of the file to which `path` leads, as one text; otherwise like `fileStatus`. `directory` is a
 * descriptor of the directory in which a relative path begins.
 */
export function fileId(path: string, directory: number = AT_FDCWD): string {
  statx(directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, found);
  return `${found.readUInt32LE(136)}:${found.readUInt32LE(140)}/${found.readBigUInt64LE(32)}`;
}

function time(status: Buffer, offset: number): bigint {
  return status.readBigInt64LE(offset) * 1_000_000_000n + BigInt(status.readUInt32LE(offset + 8));
}
