// SPDX-License-Identifier: Apache-2.0

/** Work goes on at most this long before timers, sockets and health probes get their turn. Milliseconds. */
const SLICE_MS = 4;

/**
 * Runs jobs in order, as many at a time as fit into a slice. Token calls are synchronous, so this is what keeps the
 * process answering while hundreds of requests wait.
 */
export class Turns {
  readonly #sliceDone: () => void;
  #jobs: (() => void)[] = [];
  #next = 0;
  #scheduled = false;

  /** `sliceDone` is called after each slice and must not throw. */
  constructor(sliceDone: () => void) {
    this.#sliceDone = sliceDone;
  }

  get waiting(): number {
    return this.#jobs.length - this.#next;
  }

  /** A job must not throw. */
  add(job: () => void): void {
    this.#jobs.push(job);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    const end = performance.now() + SLICE_MS;
    do {
      const job = this.#jobs[this.#next];
      if (!job) break;
      this.#next++;
      job();
    } while (performance.now() < end);
    this.#sliceDone();
    if (this.waiting > 0) {
      this.#schedule();
    } else {
      this.#jobs = [];
      this.#next = 0;
    }
  }
}
