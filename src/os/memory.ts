// SPDX-License-Identifier: Apache-2.0
import { getHeapStatistics } from 'node:v8';

/** How often it is looked whether a thread is at rest, milliseconds. */
const INTERVAL_MS = 5_000;
/** A thread that used less of an interval than this is at rest, milliseconds of processor time. */
const REST_MS = 250;
/** A thread that used more of an interval than this had a burst of work, milliseconds. */
const BURST_MS = 500;
/** So much more on the heap than after the last collection is worth another one, bytes. */
const GROWN_BYTES = 3 * 2 ** 20;
/** Collections of what small portions of work leave behind are so many intervals apart: each takes some 20 ms. */
const APART = 6;

/**
 * Decides when to give memory back: when a burst of work is over, as the start of the program is one, and now and then when small
 * portions of it have left much behind. Looked at in equal intervals by the processor time that the thread has used in all,
 * milliseconds, and by what lies on its heap, bytes. Pure.
 */
export class Rest {
  #before = 0;
  #heap = 0;
  #intervals = 0;
  /** The start of the program is one. */
  #burst = true;

  isDue(used: number, heap: number): boolean {
    const lately = used - this.#before;
    this.#before = used;
    this.#burst ||= lately > BURST_MS;
    const grown = ++this.#intervals >= APART && heap - this.#heap > GROWN_BYTES;
    return lately < REST_MS && (this.#burst || grown);
  }

  /** What that took does not count as work. */
  released(used: number, heap: number): void {
    this.#before = used;
    this.#heap = heap;
    this.#intervals = 0;
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
  const heap = (): number => getHeapStatistics().used_heap_size;
  setInterval(() => {
    if (!rest.isDue(used(), heap())) return;
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    trim();
    rest.released(used(), heap());
  }, INTERVAL_MS).unref();
}
