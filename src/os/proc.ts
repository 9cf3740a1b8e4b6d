// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf } from './files.ts';
import { fileStatus, type FileStatus } from './file-status.ts';
import { openDirectory } from './open-in-root.ts';
import { changedPages } from './pagemap.ts';

/** The process ended while it was read. The only error by which the readers of this file tell so. */
export class ProcessGone extends Error {
  constructor(pid: number) {
    super(`process ${pid} has ended`);
    this.name = 'ProcessGone';
  }
}

/** What /proc answers when a process, its memory or one of its mappings is no longer there. */
const GONE = new Set(['ENOENT', 'ESRCH']);

/** Passes on what `read` gives, which reads files of that process. Throws ProcessGone. */
export function reading<T>(pid: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw goneOr(pid, error);
  }
}

function goneOr(pid: number, error: unknown): unknown {
  return GONE.has(errnoOf(error) ?? '') ? new ProcessGone(pid) : error;
}

/** Text of `/proc/<pid>/<name>`. Throws ProcessGone. */
export function readProc(pid: number, name: string): string {
  return reading(pid, () => readFileSync(`/proc/${pid}/${name}`, 'utf8'));
}

/** What `read` gives; undefined where it throws ProcessGone. */
export function unlessGone<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProcessGone) return undefined;
    throw error;
  }
}

/** What is read at once; for all calls: it is copied within each. */
const portion = Buffer.alloc(64 * 1024);

/**
 * The same, of a file that the process can make as long as it likes: its environment, say, by prctl(PR_SET_MM_MAP). Undefined
 * where it has more octets than `most`, of which no more are read. Throws ProcessGone.
 */
export function readProcUpTo(pid: number, name: string, most: number): string | undefined {
  return reading(pid, () => {
    const file = openSync(`/proc/${pid}/${name}`, 'r');
    try {
      return textUpTo(file, most);
    } finally {
      closeSync(file);
    }
  });
}

function textUpTo(file: number, most: number): string | undefined {
  const portions: Buffer[] = [];
  for (let length = 0, read = readSync(file, portion); read > 0; read = readSync(file, portion)) {
    length += read;
    if (length > most) return undefined;
    portions.push(Buffer.from(portion.subarray(0, read)));
  }
  return Buffer.concat(portions).toString();
}

/**
 * Stands for a path that is longer than the kernel tells (PATH_MAX). Whoever goes into deep folders step by step can run a
 * program there; that must not keep him from being looked at. Is no path.
 */
export const UNTOLD_PATH = '(a path that is too long to be told)';

/** Target of the link `/proc/<pid>/<name>`, as the kernel writes it for this program's root, or UNTOLD_PATH. Throws ProcessGone. */
export function readProcLink(pid: number, name: string): string {
  return reading(pid, () => unlessUntold(() => readlinkSync(`/proc/${pid}/${name}`)));
}

/** What `read` gives; UNTOLD_PATH where the kernel says that it is too long. */
export function unlessUntold(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENAMETOOLONG') return UNTOLD_PATH;
    throw error;
  }
}

/** Status of what the link `/proc/<pid>/<name>` leads to. Throws ProcessGone. */
export function procFileStatus(pid: number, name: string): FileStatus {
  return reading(pid, () => fileStatus(`/proc/${pid}/${name}`));
}

/** A descriptor of the directory `/proc/<pid>/<name>` leads to, for `openInRoot`; the caller closes it. Throws ProcessGone. */
export function openProcDirectory(pid: number, name: string): number {
  return reading(pid, () => openDirectory(`/proc/${pid}/${name}`));
}

/** Pages of private mappings of files, of each, that are no longer the file's. Throws ProcessGone. */
export function changedPagesOf(pid: number, ranges: readonly string[]): number[] {
  return reading(pid, () => changedPages(pid, ranges));
}

/** Pids of all processes that this program's /proc shows. */
export function listProcesses(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid));
}

/** Passes on what `read` gives, which opens files of that process. Throws ProcessGone. */
export async function whileThere<T>(pid: number, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    throw goneOr(pid, error);
  }
}
