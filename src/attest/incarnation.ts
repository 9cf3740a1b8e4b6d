// SPDX-License-Identifier: Apache-2.0
import type { Pidfd } from '../os/pidfd.ts';
import { ProcessGone } from '../os/proc.ts';
import { parseStart } from '../os/proc-format.ts';
import { ProcessFiles } from '../os/process-files.ts';

/** What tells one program in one process from any other: see `HeldProgram`. */
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
  return orUndefined(() => readIncarnation(pid).incarnation);
}

/** The same, with the start time apart. Throws ProcessGone. */
export function readIncarnation(pid: number): Incarnation {
  using files = new ProcessFiles(pid);
  return read(files);
}

/**
 * The program that runs in a process, for checks between two measurements: some 12 µs each, of which the kernel takes most.
 * Each looks anew, so that an exec and the end of the process show in the next. Close it before the pidfd.
 */
export class HeldProgram {
  readonly #process: Pick<Pidfd, 'pid' | 'alive'>;
  #files: ProcessFiles | undefined;

  constructor(process: Pick<Pidfd, 'pid' | 'alive'>) {
    this.#process = process;
  }

  /** As of `incarnationOf`; undefined once the process has ended. */
  incarnation(): string | undefined {
    return orUndefined(() => {
      this.#files ??= new ProcessFiles(this.#process.pid);
      const { incarnation } = read(this.#files);
      // After the files are open: who lives now has had the pid all the time, so they are its own.
      return this.#process.alive() ? incarnation : undefined;
    });
  }

  close(): void {
    this.#files?.close();
    this.#files = undefined;
  }
}

function read(files: ProcessFiles): Incarnation {
  const { startTime, stackStart } = parseStart(files.stat());
  return { startTime, incarnation: `${startTime}/${stackStart}/${files.executable()}` };
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProcessGone) return undefined;
    throw error;
  }
}
