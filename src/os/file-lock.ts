// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { errnoOf } from './files.ts';
import { libc } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const POLL_MS = 50;

const flock = libc('int flock(int fd, int operation)');

/** An exclusive lock on a file (flock(2)): the kernel lets go of it when this process ends, however it ends. */
export class FileLock {
  readonly #descriptor: number;
  #open = true;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Takes the lock, making the file where it is missing; undefined where another process has it. Throws what open(2) fails with. */
  static tryTake(path: string): FileLock | undefined {
    const descriptor = openSync(path, 'a', 0o600);
    try {
      flock(descriptor, LOCK_EX | LOCK_NB);
      return new FileLock(descriptor);
    } catch (error) {
      closeSync(descriptor);
      if (errnoOf(error) === 'EWOULDBLOCK' || errnoOf(error) === 'EAGAIN') return undefined;
      throw error;
    }
  }

  /** Waits for it; undefined where the signal aborts first. `waiting` is told once where another process has it. */
  static async take(path: string, signal: AbortSignal, waiting?: () => void): Promise<FileLock | undefined> {
    for (let first = true; !signal.aborted; first = false) {
      const lock = FileLock.tryTake(path);
      if (lock) return lock;
      if (first) waiting?.();
      await setTimeout(POLL_MS);
    }
    return undefined;
  }

  release(): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }
}
