// SPDX-License-Identifier: Apache-2.0

/** Runs tasks of one key one after another, in the order asked, and those of different keys side by side. */
export class SerialByKey {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Settles as the task does; a failed task does not hold up the next. */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task, task);
    this.#tails.set(key, result);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === result) this.#tails.delete(key);
    }
  }
}
