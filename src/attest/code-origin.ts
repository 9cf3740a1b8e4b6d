// SPDX-License-Identifier: Apache-2.0
import type { FileStatus } from '../os/file-status.ts';
import { procFileStatus, readProcLink } from '../os/proc.ts';
import { findInLayers } from './image-layers.ts';
import type { MappingEvidence } from './port.ts';
import type { RootFileSystem, Untraceable } from './root-file-system.ts';

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
export function codeOrigin(pid: number, link: string, root: RootFileSystem | Untraceable): CodeFile {
  const path = readProcLink(pid, link);
  if (NAMELESS.test(path)) return { path, origin: 'anonymous' };
  if (path.endsWith(DELETED)) return { path: path.slice(0, -DELETED.length), origin: 'deleted' };
  if ('problem' in root) return { path, origin: root.origin, detail: root.problem };
  const status = procFileStatus(pid, link);
  if (status.mountId !== root.mountId || (status.mountId === undefined && status.device !== root.device)) {
    return { path, origin: 'foreign', detail: `device ${status.device} is not the root file system`, status };
  }
  // A path of another mount namespace is written from that one's root, which is the root file system.
  const layerFile = findInLayers(status, path, root);
  return layerFile === undefined ? { path, origin: 'writable', status } : { path, origin: 'image', status, layerFile };
}
