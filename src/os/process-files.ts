// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from 'node:fs';
import { fileId } from './file-status.ts';
import { libc } from './libc.ts';
import { openProcDirectory, reading, unlessUntold } from './proc.ts';

/** More than a stat line has: 52 numbers, and a name of 64 octets at most. */
const STAT_BYTES = 2_048;
/** The kernel writes no longer one. */
const PATH_BYTES = 4_096;
/** For all of them: they are read and turned into text within one call. */
const line = Buffer.alloc(STAT_BYTES);
const path = Buffer.alloc(PATH_BYTES);

const readlinkat = libc('long readlinkat(int directory, const char *path, void *target, unsigned long size)');

/**
 * Files of /proc of one process, kept open for one who reads them again and again: half of the cost of opening them anew.
 * They are that process's for good: once it has ended they tell so, whoever has its pid. What is read is new each time.
 */
export class ProcessFiles implements Disposable {
  readonly #pid: number;
  readonly #directory: number;
  readonly #stat: number;

  /** Throws ProcessGone. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#directory = openProcDirectory(pid, '.');
    try {
      this.#stat = reading(pid, () => openSync(`/proc/${pid}/stat`, 'r'));
    } catch (error) {
      closeSync(this.#directory);
      throw error;
    }
  }

  /** Text of `stat`, as it is now. Throws ProcessGone. */
  stat(): string {
    return reading(this.#pid, () => line.toString('latin1', 0, readSync(this.#stat, line, 0, STAT_BYTES, 0)));
  }

  /** Device and inode of the program's file, and its path as the kernel writes it, as they are now. Throws ProcessGone. */
  executable(): string {
    return reading(this.#pid, () => {
      const id = fileId('exe', this.#directory);
      const length = (): number => readlinkat(this.#directory, 'exe', path, PATH_BYTES);
      return `${id}${unlessUntold(() => path.toString('latin1', 0, length()))}`;
    });
  }

  close(): void {
    closeSync(this.#stat);
    closeSync(this.#directory);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
