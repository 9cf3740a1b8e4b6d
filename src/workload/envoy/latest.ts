// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';

/** A value that changes, and whoever follows it: sees the latest after each wait, not every one between. */
export class Latest<T> {
  #value: T;
  #changed = new AbortController();

  constructor(value: T) {
    this.#value = value;
  }

  set(next: (before: T) => T): void {
    this.#value = next(this.#value);
    const changed = this.#changed;
    this.#changed = new AbortController();
    changed.abort();
  }

  /** The value now and after each change, until the signal aborts. */
  async *values(signal: AbortSignal): AsyncGenerator<T, void> {
    while (!signal.aborted) {
      const changed = this.#changed.signal;
      yield this.#value;
      if (!changed.aborted) await once(AbortSignal.any([changed, signal]), 'abort');
    }
  }
}
