// SPDX-License-Identifier: Apache-2.0
import { randomInt } from 'node:crypto';
import type { SlotFile } from './slot-file.ts';

const NONE = -1;

/**
 * Finds slots by the digest that their entries start with. Slots whose digests start alike form a list that can be walked
 * both ways, so that any of them is taken out at once; three arrays of numbers hold all of it.
 */
export class SlotIndex {
  readonly #file: SlotFile;
  readonly #digestBytes: number;
  /** Of the number of lists, in bits. */
  readonly #width: number;
  /** Nobody can make digests that all fall into one list without knowing it. */
  readonly #factor = 2 * randomInt(2 ** 30, 2 ** 31) + 1;
  readonly #first: Int32Array;
  readonly #after: Int32Array;
  readonly #before: Int32Array;

  /** `digestBytes`: length of the digest, 4 octets at least. */
  constructor(file: SlotFile, digestBytes: number) {
    this.#file = file;
    this.#digestBytes = digestBytes;
    this.#width = Math.max(1, 32 - Math.clz32(file.capacity - 1));
    this.#first = new Int32Array(2 ** this.#width).fill(NONE);
    this.#after = new Int32Array(file.capacity).fill(NONE);
    this.#before = new Int32Array(file.capacity).fill(NONE);
  }

  /** The slot of the entry that starts with this digest. */
  find(digest: Buffer): number | undefined {
    for (let slot = this.#first[this.#listOf(digest)] ?? NONE; slot !== NONE; slot = this.#after[slot] ?? NONE) {
      if (digest.compare(this.#file.entry(slot), 0, this.#digestBytes) === 0) return slot;
    }
    return undefined;
  }

  /** Takes in a slot that is not in it, as its entry now is. */
  add(slot: number): void {
    const list = this.#listOf(this.#file.entry(slot));
    const next = this.#first[list] ?? NONE;
    this.#after[slot] = next;
    this.#before[slot] = NONE;
    if (next !== NONE) this.#before[next] = slot;
    this.#first[list] = slot;
  }

  /** Takes out a slot that is in it, before its entry changes. */
  remove(slot: number): void {
    const before = this.#before[slot] ?? NONE;
    const after = this.#after[slot] ?? NONE;
    if (after !== NONE) this.#before[after] = before;
    if (before === NONE) this.#first[this.#listOf(this.#file.entry(slot))] = after;
    else this.#after[before] = after;
  }

  #listOf(digest: Buffer): number {
    return Math.imul(digest.readInt32BE(0), this.#factor) >>> (32 - this.#width);
  }
}
