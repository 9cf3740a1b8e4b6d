// SPDX-License-Identifier: Apache-2.0
import type { StreamRoom } from '../grpc/http2/connection.ts';

/**
 * Streams of HTTP/2 that one pod may have on all of its connections: more than its calls, since requests that are still under
 * way and answers that are not read yet are among them. What each may keep of a message, and of headers, is kept in memory.
 */
const STREAMS_PER_POD = 640;

/** Counts the streams that each pod has open, so that no pod fills the agent's memory with what it begins and never ends. */
export class PodStreams {
  readonly #open = new Map<string, number>();

  /** The room that the connections of a pod share. */
  of(podUid: string): StreamRoom {
    return {
      take: () => {
        const open = this.#open.get(podUid) ?? 0;
        if (open >= STREAMS_PER_POD) return false;
        this.#open.set(podUid, open + 1);
        return true;
      },
      giveBack: () => {
        const left = (this.#open.get(podUid) ?? 1) - 1;
        if (left === 0) this.#open.delete(podUid);
        else this.#open.set(podUid, left);
      },
    };
  }
}
