// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from './files.ts';
import { fileStatus, type FileStatus } from './file-status.ts';

/** The process ended while it was read. The only error by which the readers of this file tell so. */
export class ProcessGone extends Error {
  constructor(pid: number) {
    super(`process ${pid} has ended`);
    this.name = 'ProcessGone';
  }
}

/** What /proc answers when a process, its memory or one of its mappings is no longer there. */
const GONE = new Set(['ENOENT', 'ESRCH']);

function reading<T>(pid: number, read: () => T): T {
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

/** Target of the link `/proc/<pid>/<name>`, as the kernel writes it for this program's root. Throws ProcessGone. */
export function readProcLink(pid: number, name: string): string {
  return reading(pid, () => readlinkSync(`/proc/${pid}/${name}`));
}

/** Status of what the link `/proc/<pid>/<name>` leads to. Throws ProcessGone. */
export function procFileStatus(pid: number, name: string): FileStatus {
  return reading(pid, () => fileStatus(`/proc/${pid}/${name}`));
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
