// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

const RETRY_AFTER_MS = 50;

/** How much of the notary one pod may have at a time, so that one that asks without end leaves room for the others. */
export class Shares {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws Overloaded; what is taken must be given back. */
  take(pod: string): void {
    const taken = this.#taken.get(pod) ?? 0;
    if (taken >= this.#most) {
      const expected = `at most ${this.#most} requests in flight for a pod`;
      const found = `one more for ${pod.slice(0, 512)}; ask again in ${RETRY_AFTER_MS} ms`;
      throw new KeysteadError('Overloaded', `expected ${expected}, found ${found}`, { retryAfterMs: RETRY_AFTER_MS });
    }
    this.#taken.set(pod, taken + 1);
  }

  giveBack(pod: string): void {
    const left = (this.#taken.get(pod) ?? 1) - 1;
    if (left > 0) this.#taken.set(pod, left);
    else this.#taken.delete(pod);
  }
}
