// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';

/** Frames a second that a peer may send without anything in them: calls given up, pings, settings, empty data. */
const MAX_A_SECOND = 20_000;
const SECOND_MS = 1_000;
/** Who is answered may ping, to learn how long the way is, and give up the call, of whose stream he reads one message. */
const EARNED = 2;

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

  /** A call is answered: what belongs to it is not counted. */
  answered(): void {
    this.#count = Math.max(0, this.#count - EARNED);
  }
}
