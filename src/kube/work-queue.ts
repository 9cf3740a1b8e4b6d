// SPDX-License-Identifier: Apache-2.0

/** Node's timers wrap round at 2^31 ms; a later time is waited for in steps. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * A machine that sleeps stops its timers, and not the clock by which certificates end: whose time has come meanwhile is
 * looked for so often.
 */
const CLOCK_CHECK_MS = 5_000;

interface Delayed {
  readonly readyAt: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Keys that wait for work. A key stands in it at most once, and is never given out while it is being worked on:
 * added meanwhile, it comes again after `done`. Order is first come, first served.
 */
export class WorkQueue {
  readonly #ready = new Set<string>();
  readonly #working = new Set<string>();
  /** Added again while they were being worked on. */
  readonly #dirty = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #clockCheck = setInterval(() => this.#checkClock(), CLOCK_CHECK_MS).unref();
  #stopped = false;

  /** Keys that could be worked on now. */
  get depth(): number {
    return this.#ready.size + this.#dirty.size;
  }

  /** Keys that are being worked on. */
  get working(): number {
    return this.#working.size;
  }

  /** Makes a key ready at once, whatever later time it had. Does nothing after `stop`. */
  add(key: string): void {
    if (this.#stopped) return;
    this.#cancel(key);
    if (this.#working.has(key)) {
      this.#dirty.add(key);
      return;
    }
    const taker = this.#ready.has(key) ? undefined : this.#takers.shift();
    if (taker) this.#give(key, taker);
    else this.#ready.add(key);
  }

  /** Makes a key ready after a time; of several times the earliest counts. */
  addAfter(key: string, ms: number): void {
    if (this.#stopped || this.#ready.has(key) || this.#dirty.has(key)) return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const readyAt = Date.now() + ms;
    const planned = this.#delayed.get(key);
    if (planned && planned.readyAt <= readyAt) return;
    this.#cancel(key);
    this.#arm(key, readyAt);
  }

  /** The next key, once there is one; undefined after `stop`. Call `done` with it afterwards. */
  take(): Promise<string | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    const next = this.#ready.values().next();
    if (!next.done) {
      this.#ready.delete(next.value);
      this.#working.add(next.value);
      return Promise.resolve(next.value);
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Ends the work on a key. */
  done(key: string): void {
    this.#working.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
  }

  /** Gives nothing out any more and forgets all keys; work in progress goes on. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#clockCheck);
    for (const key of [...this.#delayed.keys()]) this.#cancel(key);
    this.#ready.clear();
    this.#dirty.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #give(key: string, taker: (key: string) => void): void {
    this.#working.add(key);
    taker(key);
  }

  #arm(key: string, readyAt: number): void {
    const wait = readyAt - Date.now();
    // The timer alone says that it is over: by a clock that was set back meanwhile it would be for long.
    const timer = setTimeout(
      () => {
        if (wait > LONGEST_TIMER_MS) this.#arm(key, readyAt);
        else this.add(key);
      },
      Math.min(wait, LONGEST_TIMER_MS),
    );
    this.#delayed.set(key, { readyAt, timer });
  }

  #checkClock(): void {
    const now = Date.now();
    for (const [key, { readyAt }] of this.#delayed) if (readyAt <= now) this.add(key);
  }

  #cancel(key: string): void {
    clearTimeout(this.#delayed.get(key)?.timer);
    this.#delayed.delete(key);
  }
}
