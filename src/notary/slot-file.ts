// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';

export interface SlotFileOptions {
  readonly path: string;
  readonly entryBytes: number;
  /** How many slots there are; what a file holds behind them is left alone. */
  readonly capacity: number;
}

/**
 * A table of entries of one size, each in its slot, held in memory as the file holds it: thousands of entries are one
 * buffer, which no collector of garbage walks through. What has changed is written before answers leave, and not synced: a
 * power cut takes at most what the audit log loses with it.
 */
export class SlotFile {
  readonly #options: SlotFileOptions;
  readonly #table: Buffer;
  #file: number | undefined;
  #changed: number[] = [];

  constructor(options: SlotFileOptions) {
    this.#options = options;
    this.#table = Buffer.alloc(options.entryBytes * options.capacity);
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  get capacity(): number {
    return this.#options.capacity;
  }

  /** Opens the file, made where it is missing, and reads it; an entry that was written in part is left out. Throws Unavailable. */
  open(): void {
    try {
      this.#file = openSync(this.#options.path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const read = readSync(this.#file, this.#table, 0, this.#table.length, 0);
      this.#table.fill(0, read - (read % this.#options.entryBytes));
    } catch (thrown) {
      this.close();
      throw this.#unavailable(thrown);
    }
  }

  /** The bytes of a slot, zeros where it is empty. Who writes into them says so with `changed`. */
  entry(slot: number): Buffer {
    const { entryBytes } = this.#options;
    return this.#table.subarray(slot * entryBytes, (slot + 1) * entryBytes);
  }

  changed(slot: number): void {
    this.#changed.push(slot);
  }

  /** Writes what has changed. Throws Unavailable where the disk refuses. */
  commit(): void {
    if (this.#changed.length === 0) return;
    const changed = this.#changed;
    this.#changed = [];
    const { entryBytes } = this.#options;
    try {
      for (let first = 0; first < changed.length;) {
        const end = endOfRun(changed, first);
        const start = (changed[first] ?? 0) * entryBytes;
        this.#write(start, start + (end - first) * entryBytes);
        first = end;
      }
    } catch (thrown) {
      throw this.#unavailable(thrown);
    }
  }

  /** A disk that is just becoming full takes a part and says so by its length alone. */
  #write(start: number, end: number): void {
    for (let done = start; done < end;) done += writeSync(this.#file ?? -1, this.#table, done, end - done, done);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #unavailable(cause: unknown): KeysteadError {
    const found = errnoOf(cause) ?? String(cause);
    const remedy = 'free space or repair the disk; nothing is issued until then';
    return new KeysteadError('Unavailable', `cannot use ${this.#options.path}: ${found}; ${remedy}`, { cause });
  }
}

/** Those from `first` on that lie side by side in the file are one write. */
function endOfRun(slots: readonly number[], first: number): number {
  let end = first + 1;
  while (slots[end] === (slots[end - 1] ?? 0) + 1) end++;
  return end;
}
