// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';

interface Pending {
  readonly slot: number;
  readonly entry: Buffer;
}

/**
 * Entries of one size in a file, each in its slot, written before answers leave and not synced: a power cut takes at most
 * what the audit log loses with it.
 */
export class SlotFile {
  readonly #path: string;
  readonly #entryBytes: number;
  #file: number | undefined;
  #pending: Pending[] = [];

  constructor(path: string, entryBytes: number) {
    this.#path = path;
    this.#entryBytes = entryBytes;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** Opens the file, made where it is missing, and gives its entries; one that was written in part is left out. Throws Unavailable. */
  open(): Buffer[] {
    try {
      this.#file ??= openSync(this.#path, constants.O_RDWR | constants.O_CREAT, 0o600);
      const content = readFileSync(this.#path);
      const count = Math.floor(content.length / this.#entryBytes);
      return Array.from({ length: count }, (_, slot) =>
        content.subarray(slot * this.#entryBytes, (slot + 1) * this.#entryBytes),
      );
    } catch (thrown) {
      this.close();
      throw this.#unavailable(thrown);
    }
  }

  /** Notes what is to be written into a slot. */
  put(slot: number, entry: Buffer): void {
    this.#pending.push({ slot, entry });
  }

  /** Writes what was noted. Throws Unavailable where the disk refuses. */
  commit(): void {
    if (this.#pending.length === 0) return;
    if (this.#file === undefined) this.open();
    const pending = this.#pending;
    this.#pending = [];
    try {
      for (let first = 0; first < pending.length;) {
        const run = runFrom(pending, first);
        const entries = Buffer.concat(run.map(({ entry }) => entry));
        writeSync(this.#file ?? -1, entries, 0, entries.length, (run[0]?.slot ?? 0) * this.#entryBytes);
        first += run.length;
      }
    } catch (thrown) {
      throw this.#unavailable(thrown);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #unavailable(cause: unknown): KeysteadError {
    const found = errnoOf(cause) ?? String(cause);
    const remedy = 'free space or repair the disk; nothing is issued until then';
    return new KeysteadError('Unavailable', `cannot use ${this.#path}: ${found}; ${remedy}`, { cause });
  }
}

/** Those from `first` on that lie side by side in the file: one write for all of them. */
function runFrom(pending: readonly Pending[], first: number): readonly Pending[] {
  let end = first + 1;
  while (pending[end]?.slot === (pending[end - 1]?.slot ?? 0) + 1) end++;
  return pending.slice(first, end);
}
