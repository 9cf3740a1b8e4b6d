// SPDX-License-Identifier: Apache-2.0
import { isMountPoint, mountTmpfs, unmountAll } from '../os/mount.ts';
import type { Mounts } from './csi/node.ts';

/** Bounds of one volume; memory is taken only for what is written. A fleet's bundle can hold thousands of CAs. */
const VOLUME_BYTES = 16 * 1024 * 1024;
const VOLUME_INODES = 1024;
const VOLUME_MODE = 0o755;

/** Volumes as tmpfs, shown in `mount` by the driver's name. */
export function tmpfsMounts(source: string): Mounts {
  const options = { source, sizeBytes: VOLUME_BYTES, inodes: VOLUME_INODES, mode: VOLUME_MODE };
  return { isMounted: isMountPoint, mount: (path) => mountTmpfs(path, options), unmountAll };
}
