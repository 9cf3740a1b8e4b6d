// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';

/** Bounds a rate: who takes more than has flowed in waits until it has. Those who wait are served in their order. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #most: number;
  #level: number;
  #at = performance.now();
  #turn: Promise<unknown> = Promise.resolve();

  /** `perSecond` flow in, and `most` are kept for who comes after a pause. */
  constructor(perSecond: number, most: number) {
    this.#perSecond = perSecond;
    this.#most = most;
    this.#level = most;
  }

  /** Resolves when so many have been taken out. More than the bucket holds may be taken, and is waited for. */
  take(amount: number): Promise<void> {
    const taken = this.#turn.then(() => this.#take(amount));
    this.#turn = taken;
    return taken;
  }

  async #take(amount: number): Promise<void> {
    const now = performance.now();
    this.#level = Math.min(this.#most, this.#level + ((now - this.#at) / 1000) * this.#perSecond) - amount;
    this.#at = now;
    if (this.#level < 0) await setTimeout((-this.#level / this.#perSecond) * 1000);
  }
}
