// SPDX-License-Identifier: Apache-2.0
import type { BigIntStats } from 'node:fs';
import type { FileStatus } from '../os/file-status.ts';
import { entryAt } from '../os/rooted-path.ts';

/** Folders of the layers of an overlay, as paths of this program. */
export interface LayerFolders {
  /** Layers of the image, topmost first. */
  readonly lower: readonly string[];
  /** The container's writable layer, if it has one. */
  readonly upper?: string;
}

/**
 * Finds the file of the image that a file in an overlay is, if it is one. `status` is what the overlay shows for it,
 * `path` where it lies in the container. Gives `<device>/<inode>` of the file in its layer, which is the same for all
 * containers of the image.
 *
 * Two things are demanded. The writable layer has nothing at the path and hides nothing there. A layer of the image has
 * a file there with the same inode number *and* ctime, mtime and size. The inode number alone is no proof, as a file
 * that is changed in the container keeps it; nor is the path, as it may be renamed between two looks at it. But nobody
 * in the container can choose a ctime, so all of them together name the unchanged file of the layer.
 */
export function findInLayers(status: FileStatus, path: string, { lower, upper }: LayerFolders): string | undefined {
  if (upper !== undefined && covered(upper, path)) return undefined;
  for (const layer of lower) {
    const entry = entryAt(layer + path);
    if (entry !== undefined && isSame(entry, status)) return `${entry.dev}/${entry.ino}`;
  }
  return undefined;
}

/**
 * Whether the writable layer has an entry at this path or hides what lies below it: a file, a whiteout (device 0:0) of
 * the file itself or of a folder above it.
 */
function covered(upper: string, name: string): boolean {
  let at = upper;
  for (const segment of name.split('/').filter((part) => part !== '')) {
    at += `/${segment}`;
    const entry = entryAt(at);
    if (entry === undefined) return false;
    if (!entry.isDirectory()) return true;
  }
  return true;
}

function isSame(entry: BigIntStats, status: FileStatus): boolean {
  return (
    sameInode(status.inode, entry.ino) &&
    entry.ctimeNs === status.ctimeNs &&
    entry.mtimeNs === status.mtimeNs &&
    entry.size === status.size
  );
}

/** With layers on several file systems an overlay may put the number of the file system into the highest bits (`xino`). */
function sameInode(shown: bigint, inLayer: bigint): boolean {
  return shown === inLayer || (inLayer < 1n << 32n && (shown & 0xffff_ffffn) === inLayer);
}
