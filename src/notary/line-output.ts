// SPDX-License-Identifier: Apache-2.0
import { writeSync } from 'node:fs';
import { errnoOf } from '../os/files.ts';

/** Lines held back beyond this many characters are written without waiting for `flush`. */
const HOLD_BACK = 64 * 1024;
/** How long a reader that does not keep up is waited for at a time, milliseconds. */
const FULL_PIPE_WAIT_MS = 2;

/**
 * A destination for log lines that gathers them until `flush`, which returns when the kernel has them. Its user calls
 * `flush` before it acts on what the lines say, and now and then. Synchronous, so that nothing is lost at exit.
 */
export class LineOutput {
  readonly #fd: number;
  #held = '';

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): void {
    this.#held += line;
    if (this.#held.length > HOLD_BACK) this.flush();
  }

  /** Throws what write(2) fails with; waits where the pipe is full. */
  flush(): void {
    if (this.#held === '') return;
    let left = Buffer.from(this.#held, 'utf8');
    this.#held = '';
    while (left.length > 0) left = left.subarray(this.#write(left));
  }

  #write(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
      return 0;
    }
  }
}
