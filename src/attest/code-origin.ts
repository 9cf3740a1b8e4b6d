// SPDX-License-Identifier: Apache-2.0
import type { FileStatus } from '../os/file-status.ts';
import { procFileStatus, readProcLink, UNTOLD_PATH } from '../os/proc.ts';
import { findInLayers } from './image-layers.ts';
import type { MappingEvidence } from './port.ts';
import type { NodeFiles, RootFileSystem, Untraceable } from './root-file-system.ts';

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
 * Tells where the file behind `/proc/<pid>/<link>` (`exe` or `map_files/<range>`) comes from: of the file system that
 * is the container's root only what was reached through the container's own root mount. A file that was opened in
 * another mount namespace and handed over, or lies under a bind mount, shows a path that it does not have in the image.
 * Throws ProcessGone.
 */
export function codeOrigin(pid: number, link: string, root: RootFileSystem | Untraceable | NodeFiles): CodeFile {
  const path = readProcLink(pid, link);
  if (path === UNTOLD_PATH) return { path, origin: 'unprovable', detail: 'its path is too long' };
  if (NAMELESS.test(path)) return { path, origin: 'anonymous' };
  if ('ofNode' in root) return ofNode(path, procFileStatus(pid, link));
  if (path.endsWith(DELETED)) return { path: path.slice(0, -DELETED.length), origin: 'deleted' };
  if ('problem' in root) return { path, origin: root.origin, detail: root.problem };
  const status = procFileStatus(pid, link);
  if (status.mountId !== root.mountId || (status.mountId === undefined && status.device !== root.device)) {
    return { path, origin: 'foreign', detail: `device ${status.device} is not the root file system`, status };
  }
  // A path of another mount namespace is written from that one's root, which is the root file system.
  const layerFile = layerFileOf(status, path, root);
  return layerFile === undefined ? { path, origin: 'writable', status } : { path, origin: 'image', status, layerFile };
}

/** More files than a module maps; beyond, they are looked for anew. */
const TRACED = 4_096;

/**
 * What was found once holds for as long as path and status stay: whatever the container does to a file of its image puts
 * another one, with a ctime of its own, in its place, or leaves it deleted.
 */
function layerFileOf(status: FileStatus, path: string, root: RootFileSystem): string | undefined {
  const { inode, ctimeNs, mtimeNs, size } = status;
  const key = `${inode}/${ctimeNs}/${mtimeNs}/${size} ${path}`;
  const known = root.traced.get(key) ?? findInLayers(status, path, root);
  if (known === undefined) return undefined;
  if (root.traced.size >= TRACED) root.traced.clear();
  root.traced.set(key, known);
  return known;
}

const WRITABLE_BY_OTHERS = 0o022;
const PERMISSIONS = 0o7777;

/** A file that was replaced by an update of the node is still the file that root had put there. */
function ofNode(path: string, status: FileStatus): CodeFile {
  const { owner, mode } = status;
  if (owner === 0 && (mode & WRITABLE_BY_OTHERS) === 0) return { path, origin: 'node', status };
  return { path, origin: 'writable', detail: `owner ${owner}, mode 0${(mode & PERMISSIONS).toString(8)}`, status };
}
