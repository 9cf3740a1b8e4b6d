// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const mallocTrim = libc('int malloc_trim(size_t pad)');

/** After so long without work a burst is over, milliseconds. */
const QUIET_MS = 5_000;
/** Less than this leaves nothing behind that is worth a collection. */
const BURST = 100;

/**
 * Gives memory back when a burst of work is over: V8 lets its heap grow while there is work and keeps what it has, and the
 * C library does likewise. A thread has one of its own. Node.js must run with `--expose-gc`; without it nothing happens.
 */
export class BurstMemory {
  readonly #quietMs: number;
  readonly #collect: (() => void) | undefined;
  #worked = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(quietMs = QUIET_MS, collect: (() => void) | undefined = collector()) {
    this.#quietMs = quietMs;
    this.#collect = collect;
  }

  /** The start of the program is over, which is a burst too. */
  started(): void {
    this.worked(BURST);
  }

  /** So many pieces of work were done. */
  worked(pieces: number): void {
    this.#worked += pieces;
    if (this.#worked < BURST || !this.#collect) return;
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => this.#release(), this.#quietMs).unref();
  }

  #release(): void {
    this.#timer = undefined;
    this.#worked = 0;
    this.#collect?.();
  }
}

function collector(): (() => void) | undefined {
  const { gc } = globalThis;
  if (!gc) return undefined;
  return () => {
    // Twice: what the first one finds unreachable may hold buffers that only the second one frees.
    for (let round = 0; round < 2; round++) gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    mallocTrim(0);
  };
}
