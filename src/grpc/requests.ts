// SPDX-License-Identifier: Apache-2.0

interface Waiting {
  readonly request: unknown;
  /** Octets that came with it. */
  readonly octets: number;
}

/** The requests of a call that has several, for its handler: those that he has not come to hold the caller back. */
export class Requests implements AsyncIterable<unknown> {
  readonly #credit: (octets: number) => void;
  readonly #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #hasEnded = false;

  /** `credit`: so many octets are used up. */
  constructor(credit: (octets: number) => void) {
    this.#credit = credit;
  }

  /** Requests have come, with so many octets; those of a request that has not ended yet are used up at once. */
  push(requests: readonly unknown[], octets: number): void {
    if (requests.length === 0) this.#credit(octets);
    requests.forEach((request, index) => this.#waiting.push({ request, octets: index === 0 ? octets : 0 }));
    this.#wake?.();
  }

  /** There are no more. */
  end(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        this.#credit(next.octets);
        yield next.request;
      } else if (this.#hasEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
