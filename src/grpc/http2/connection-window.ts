// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';
import { CREDIT, INITIAL_WINDOW, MAX_WINDOW } from './stream.ts';

/** How much both ends may still send on a connection, over all of its streams (RFC 9113, section 6.9). */
export class ConnectionWindow {
  #send = INITIAL_WINDOW;
  #receive = INITIAL_WINDOW;

  /** Takes what is there of what is wanted. */
  take(wanted: number): number {
    const taken = Math.max(0, Math.min(wanted, this.#send));
    this.#send -= taken;
    return taken;
  }

  /** The peer takes so many more octets. Throws ConnectionError. */
  widen(octets: number): void {
    if (octets === 0) throw new ConnectionError(CODE.protocol, 'expected a window that grows, found one that does not');
    this.#send += octets;
    if (this.#send > MAX_WINDOW) throw new ConnectionError(CODE.flowControl, 'expected a window of less than 2^31');
  }

  /**
   * So many octets have come, and count as used up: what is kept of them is bounded by the windows of the streams. Gives
   * how many more the peer is to be told to send; 0: none yet. Throws ConnectionError.
   */
  received(octets: number): number {
    this.#receive -= octets;
    if (this.#receive < 0) throw new ConnectionError(CODE.flowControl, 'expected less data, found more');
    const used = INITIAL_WINDOW - this.#receive;
    if (used < CREDIT) return 0;
    this.#receive = INITIAL_WINDOW;
    return used;
  }
}
