// SPDX-License-Identifier: Apache-2.0
import type { Pidfd } from '../os/pidfd.ts';
import { unlessGone } from '../os/proc.ts';
import { parseStart } from '../os/proc-format.ts';
import { ProcessFiles } from '../os/process-files.ts';

/** What tells one program in one process from any other: see `incarnationOf`. */
export interface Incarnation {
  /** Clock ticks from boot to fork. */
  readonly startTime: string;
  /** Names the program; for comparison only. */
  readonly incarnation: string;
}

/**
 * Names one program in one process: start time, executable and the random start of its stack. An exec changes it, even
 * of the same executable; a reused pid too; and so does the loss of the executable's file, which the kernel writes behind
 * its path, where it was deleted or another one was put in its place.
 * Undefined where there is no such process or it has no program (a zombie, a kernel thread).
 */
export function incarnationOf(pid: number): string | undefined {
  return unlessGone(() => readIncarnation(pid).incarnation);
}

/** The same, with the start time apart. Throws ProcessGone. */
export function readIncarnation(pid: number): Incarnation {
  using files = new ProcessFiles(pid);
  return read(files);
}

/** Processes whose files are kept open: more than call at about the same time on one node. */
const KEPT = 256;

/**
 * Tells which program runs in a process that is held, for checks between two measurements: some 12 µs each, of which the
 * kernel takes most. Each looks anew, so that an exec and the end of the process show in the next.
 */
export class Incarnations {
  /** By pid, those opened last at the end. */
  readonly #kept = new Map<number, ProcessFiles>();

  /** As of `incarnationOf`; undefined once the process has ended. */
  of(process: Pick<Pidfd, 'pid' | 'alive'>): string | undefined {
    const incarnation = this.#read(process.pid);
    // After the look: who lives now had the pid then, so it was he who was looked at.
    return process.alive() ? incarnation : undefined;
  }

  #read(pid: number): string | undefined {
    const kept = this.#kept.get(pid);
    const found = kept && unlessGone(() => read(kept).incarnation);
    if (found !== undefined) return found;
    // Of no process so far, or of one that has ended: another one may have its pid.
    this.#drop(pid);
    return unlessGone(() => read(this.#open(pid)).incarnation);
  }

  #open(pid: number): ProcessFiles {
    const files = new ProcessFiles(pid);
    this.#kept.set(pid, files);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#drop(oldest);
    return files;
  }

  #drop(pid: number): void {
    this.#kept.get(pid)?.close();
    this.#kept.delete(pid);
  }
}

function read(files: ProcessFiles): Incarnation {
  const { startTime, stackStart } = parseStart(files.stat());
  return { startTime, incarnation: `${startTime}/${stackStart}/${files.executable()}` };
}
