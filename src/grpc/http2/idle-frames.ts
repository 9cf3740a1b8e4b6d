// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';

/**
 * Frames a second that a peer may send without anything in them: calls given up, pings, settings, empty data. A client that
 * reads one message of a stream gives up each of its calls, and is no attacker.
 */
const MAX_A_SECOND = 20_000;
const SECOND_MS = 1_000;

/** Counts the frames of a connection that cost something and carry nothing. */
export class IdleFrames {
  #since = 0;
  #count = 0;

  /** Throws ConnectionError, ENHANCE_YOUR_CALM. */
  count(): void {
    const now = performance.now();
    if (now - this.#since > SECOND_MS) {
      this.#since = now;
      this.#count = 0;
    }
    if (++this.#count <= MAX_A_SECOND) return;
    throw new ConnectionError(CODE.enhanceYourCalm, `expected at most ${MAX_A_SECOND} empty frames a second`);
  }
}
