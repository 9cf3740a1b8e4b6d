// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '../os/files.ts';
import { openInRoot } from '../os/open-in-root.ts';
import { openProcDirectory, readProcLink, UNTOLD_PATH } from '../os/proc.ts';
import { codeOrigin, type CodeFile } from './code-origin.ts';
import { scriptOf } from './interpreter.ts';
import { remoteMountOf } from './readable-mount.ts';
import type { NodeFiles, RootFileSystem, Untraceable } from './root-file-system.ts';

export interface Interpreting {
  readonly pid: number;
  /** The container's first process, in whose folder a relative name may have been meant. */
  readonly init: number;
  readonly executable: string;
  readonly argv: readonly string[];
}

/**
 * Where the script comes from that an interpreter runs; undefined where it runs none. It is looked for by its name, as
 * the process itself would find it now: an interpreter keeps no handle on what it has read. A relative name is looked
 * for in the folders of the process and of the container's first one. Throws ProcessGone.
 */
export function scriptOrigin(
  running: Interpreting,
  root: RootFileSystem | Untraceable | NodeFiles,
): CodeFile | undefined {
  const name = scriptOf(running.executable, running.argv);
  if (name === undefined) return undefined;
  if ('problem' in root) return { path: name, origin: root.origin, detail: root.problem };
  const volume = name.startsWith('/') ? remoteMountOf(running.pid, posix.normalize(name)) : undefined;
  // Whether it is there only its server could say, for which nobody can wait.
  if (volume) return { path: name, origin: 'foreign', detail: `it lies on ${volume.type}`, mount: volume.mountPoint };
  for (const path of candidates(name, running)) {
    const found = originOf(running.pid, path, root);
    if (found !== undefined) return found;
  }
  return { path: name, origin: 'deleted', detail: 'no such file now' };
}

/** Node finds `app.js` as `app` too. */
function candidates(name: string, { pid, init }: Interpreting): string[] {
  const names = [name, `${name}.js`];
  if (name.startsWith('/')) return names;
  const folders = new Set([readProcLink(pid, 'cwd'), readProcLink(init, 'cwd')]);
  folders.delete(UNTOLD_PATH);
  return [...folders].flatMap((folder) => names.map((each) => posix.join(folder, each)));
}

/** What interpreters that are given a folder look for in it. */
const OF_FOLDER = ['package.json', '__main__.py', 'index.js'];

function originOf(pid: number, path: string, root: RootFileSystem | NodeFiles): CodeFile | undefined {
  const directory = openProcDirectory(pid, 'root');
  try {
    return inRoot(directory, path, root);
  } finally {
    closeSync(directory);
  }
}

/** What says nothing of the file, but of this program and its kernel. */
const OWN_TROUBLES: ReadonlySet<string> = new Set(['', 'EMFILE', 'ENFILE', 'ENOMEM', 'EINTR', 'EINVAL', 'ENOSYS']);

function inRoot(directory: number, path: string, root: RootFileSystem | NodeFiles): CodeFile | undefined {
  let file: number;
  try {
    file = openInRoot(directory, path);
  } catch (error) {
    const code = errnoOf(error) ?? '';
    // The name is the process's to choose: one that no file can have is found no more than any other.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    if (OWN_TROUBLES.has(code)) throw error;
    // A link of /proc, such as /dev/fd/3, or a volume whose server has gone: what is behind it has no name in the image.
    return { path, origin: 'anonymous', detail: code };
  }
  try {
    if (!fstatSync(file).isDirectory()) return codeOrigin(process.pid, `fd/${file}`, root);
  } finally {
    closeSync(file);
  }
  for (const name of OF_FOLDER) {
    const found = inRoot(directory, posix.join(path, name), root);
    if (found !== undefined) return found;
  }
  return undefined;
}
