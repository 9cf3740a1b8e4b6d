// SPDX-License-Identifier: Apache-2.0

/** How often it is looked whether a thread is at rest, milliseconds. */
const INTERVAL_MS = 5_000;
/** A thread that used less of an interval than this is at rest, milliseconds of processor time. */
const REST_MS = 250;
/** A thread that used more of an interval than this had a burst of work, milliseconds. */
const BURST_MS = 500;
/** So much work in smaller portions leaves something behind that is worth a collection, which takes a tenth of it, milliseconds. */
const ACCUMULATED_MS = 500;

/**
 * Decides when to give memory back: when a burst of work is over, as the start of the program is one. Looked at in equal
 * intervals by the processor time that the thread has used in all. Pure.
 */
export class Rest {
  #before = 0;
  #released = 0;
  /** The start of the program is one. */
  #burst = true;

  /** `used`: processor time so far, milliseconds. */
  isDue(used: number): boolean {
    const lately = used - this.#before;
    this.#before = used;
    this.#burst ||= lately > BURST_MS;
    return lately < REST_MS && (this.#burst || used - this.#released > ACCUMULATED_MS);
  }

  /** What that took does not count as work. */
  released(used: number): void {
    this.#before = used;
    this.#released = used;
    this.#burst = false;
  }
}

/**
 * Has this thread give memory back whenever it comes to rest: V8 lets its heap grow while there is work and keeps what it
 * has, and the C library does likewise, which `trim` cures. Node.js must run with `--expose-gc`; without it nothing happens.
 */
export function releaseMemoryAtRest(trim: () => void = () => undefined): void {
  const { gc } = globalThis;
  if (!gc) return;
  const rest = new Rest();
  const used = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  setInterval(() => {
    if (!rest.isDue(used())) return;
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    trim();
    rest.released(used());
  }, INTERVAL_MS).unref();
}
