// SPDX-License-Identifier: Apache-2.0

export interface WatchdogLimits {
  /** Ticks without progress after which callers are told. */
  readonly tellAfter: number;
  /** Ticks without progress after which the process is of no more use. */
  readonly endAfter: number;
}

export type Verdict = 'Moving' | 'Stuck' | 'Lost';

/**
 * Tells whether work goes on. Counts ticks and not time, so that a machine that slept, or a process that had no
 * processor, is not taken for a library that hangs. Pure.
 */
export class Watchdog {
  readonly #limits: WatchdogLimits;
  #ticks = 0;

  constructor(limits: WatchdogLimits) {
    this.#limits = limits;
  }

  /** How many ticks ago something last moved. */
  get ticks(): number {
    return this.#ticks;
  }

  get verdict(): Verdict {
    if (this.#ticks >= this.#limits.endAfter) return 'Lost';
    return this.#ticks >= this.#limits.tellAfter ? 'Stuck' : 'Moving';
  }

  /** Something was finished. */
  progress(): void {
    this.#ticks = 0;
  }

  tick(busy: boolean): Verdict {
    this.#ticks = busy ? this.#ticks + 1 : 0;
    return this.verdict;
  }
}
