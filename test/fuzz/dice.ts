// SPDX-License-Identifier: Apache-2.0

/** A generator of repeatable random numbers (mulberry32). Each input has one of its own, so that it can be made alone. */
export class Dice {
  /** Number of the input. */
  readonly index: number;
  #state: number;

  /** The same seed and place give the same numbers. */
  constructor(seed: number, place = '', index = 0) {
    this.index = index;
    let state = seed | 0;
    for (let at = 0; at < place.length; at++) state = Math.imul(state ^ place.charCodeAt(at), 0x01000193);
    this.#state = Math.imul(state ^ index, 0x9e3779b1) ^ (index >>> 15);
    this.#next();
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return this.#next() % limit;
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.below(from.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
