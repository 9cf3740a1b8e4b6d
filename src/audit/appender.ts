// SPDX-License-Identifier: Apache-2.0
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';

/**
 * One open file that only grows. `append` returns when the kernel has the bytes, so that they outlive this process;
 * within `syncMs` after it they are on the disk, so that they outlive a power cut.
 */
export class Appender {
  readonly #fd: number;
  readonly #syncMs: number;
  readonly #failed: (error: Error) => void;
  #size: number;
  #timer: NodeJS.Timeout | undefined;
  #syncing = false;
  #closed = false;

  /** Opens the file, or makes it, for its owner alone. `failed` is told when the disk did not take what was appended. */
  constructor(path: string, syncMs: number, failed: (error: Error) => void) {
    this.#fd = openSync(path, 'a', 0o600);
    this.#size = fstatSync(this.#fd).size;
    this.#syncMs = syncMs;
    this.#failed = failed;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether the file is as this process left it: neither unlinked nor written, cut or replaced by somebody else. */
  get isOurs(): boolean {
    const { size, nlink } = fstatSync(this.#fd);
    return size === this.#size && nlink > 0;
  }

  /** Throws what write(2) fails with; the file is then cut back to what it was. */
  append(text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      this.#cutBack();
      throw error;
    }
    this.#size += bytes.length;
    this.#syncSoon();
  }

  /** Throws what fdatasync(2) fails with. */
  sync(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    fdatasyncSync(this.#fd);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closed = true;
    // The number of a file that is still being synced must not be given to another.
    if (!this.#syncing) closeSync(this.#fd);
  }

  /** Whoever opens the file next repairs it where even this fails. */
  #cutBack(): void {
    try {
      ftruncateSync(this.#fd, this.#size);
    } catch {
      // The error that led here is the one to tell of.
    }
  }

  #syncSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#syncing = true;
      fdatasync(this.#fd, (error) => this.#synced(error));
    }, this.#syncMs).unref();
  }

  #synced(error: Error | null): void {
    this.#syncing = false;
    if (this.#closed) closeSync(this.#fd);
    else if (error) this.#failed(error);
  }
}
