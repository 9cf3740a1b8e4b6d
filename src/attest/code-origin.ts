// SPDX-License-Identifier: Apache-2.0
import { entryAt } from '../os/rooted-path.ts';
import type { FileStatus } from '../os/file-status.ts';
import { procFileStatus, readProcLink } from '../os/proc.ts';
import type { MappingEvidence } from './port.ts';
import { pathsWithin, type RootFileSystem, type Untraceable } from './root-file-system.ts';

/** A file that a process runs code from. */
export interface CodeFile extends MappingEvidence {
  /** Undefined where the file was not looked at, since it is no file of the container's root. */
  readonly status?: FileStatus;
  /** The same file in the image's layer, for origin `image`: `<device>/<inode>` there, alike for all its containers. */
  readonly layerFile?: string;
}

const DELETED = ' (deleted)';
/** What the kernel calls files that never had a name in a file system. */
const NAMELESS = /^(?:[^/]|\/(?:memfd:|SYSV|dev\/zero \(deleted\)))/;

/**
 * Tells where the file behind `/proc/<pid>/<link>` (`exe` or `map_files/<range>`) comes from. Throws ProcessGone.
 *
 * `image` needs three things: the file was reached through the mount that is the container's root; the writable layer
 * has nothing at its path; a layer of the image has at its path a file with the same inode number *and* ctime, mtime
 * and size. The inode number alone is no proof, as a copied-up file keeps it, nor is the path, as it may be renamed
 * between two looks; but nobody in the container can choose a ctime, so all of them together name the layer's file.
 */
export function codeOrigin(pid: number, link: string, root: RootFileSystem | Untraceable): CodeFile {
  const path = readProcLink(pid, link);
  if (NAMELESS.test(path)) return { path, origin: 'anonymous' };
  if (path.endsWith(DELETED)) return { path: path.slice(0, -DELETED.length), origin: 'deleted' };
  if ('problem' in root) return { path, origin: root.origin, detail: root.problem };
  const status = procFileStatus(pid, link);
  if (status.mountId !== root.mountId || (status.mountId === undefined && status.device !== root.device)) {
    return { path, origin: 'foreign', detail: `device ${status.device} is not the root file system`, status };
  }
  return originInLayers(path, status, root);
}

function originInLayers(path: string, status: FileStatus, root: RootFileSystem): CodeFile {
  const names = pathsWithin(root, path);
  for (const name of names) {
    if (root.upper !== undefined && covered(root.upper, name)) continue;
    const layerFile = fileInLayers(root.lower, name, status);
    if (layerFile !== undefined) return { path: name, origin: 'image', status, layerFile };
  }
  return { path: names[0] ?? path, origin: 'writable', status };
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

function fileInLayers(layers: readonly string[], name: string, status: FileStatus): string | undefined {
  for (const layer of layers) {
    const entry = entryAt(layer + name);
    if (entry === undefined) continue;
    const same =
      sameInode(status.inode, entry.ino) &&
      entry.ctimeNs === status.ctimeNs &&
      entry.mtimeNs === status.mtimeNs &&
      entry.size === status.size;
    if (same) return `${entry.dev}/${entry.ino}`;
  }
  return undefined;
}

/** With layers on several file systems an overlay may put the number of the file system into the highest bits (`xino`). */
function sameInode(shown: bigint, inLayer: bigint): boolean {
  return shown === inLayer || (inLayer < 1n << 32n && (shown & 0xffff_ffffn) === inLayer);
}
