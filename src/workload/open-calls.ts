// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Calls of one pod that may be open at a time; a stream is one. */
const CALLS_PER_POD = 512;

/** Counts the calls that each pod has open, so that no pod takes what the others need. */
export class OpenCalls {
  readonly #open = new Map<string, number>();

  /** Of all pods, for metrics. */
  get total(): number {
    return [...this.#open.values()].reduce((sum, count) => sum + count, 0);
  }

  /** A call has come; the function returned is to be called once at its end. Throws Unavailable for one too many. */
  enter(podUid: string): () => void {
    const before = this.#open.get(podUid) ?? 0;
    if (before >= CALLS_PER_POD) {
      throw new KeysteadError('Unavailable', `this pod has ${before} calls open, the most that it may; end some first`);
    }
    this.#open.set(podUid, before + 1);
    return () => {
      const left = (this.#open.get(podUid) ?? 1) - 1;
      if (left === 0) this.#open.delete(podUid);
      else this.#open.set(podUid, left);
    };
  }
}
