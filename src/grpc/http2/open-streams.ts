// SPDX-License-Identifier: Apache-2.0
import type { Http2Stream } from './stream.ts';

/** The streams of a connection that are open: mostly few, at most `maxStreams`. In a row and not in a Map: see `Roster`. */
export class OpenStreams {
  readonly #streams: Http2Stream[] = [];

  get size(): number {
    return this.#streams.length;
  }

  get(id: number): Http2Stream | undefined {
    return this.#streams.find((stream) => stream.id === id);
  }

  add(stream: Http2Stream): void {
    this.#streams.push(stream);
  }

  remove(id: number): void {
    const at = this.#streams.findIndex((stream) => stream.id === id);
    if (at < 0) return;
    const last = this.#streams.pop();
    if (last && at < this.#streams.length) this.#streams[at] = last;
  }

  /** Those that are open now; some of them may end while it is gone through. */
  all(): readonly Http2Stream[] {
    return [...this.#streams];
  }
}
