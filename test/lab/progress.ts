// SPDX-License-Identifier: Apache-2.0

const HEARTBEAT_MS = 20_000;

/** Tells a person (or a CI log) what goes on: one line for each step, and one every 20 s within a long one. */
export class Progress {
  readonly #started = performance.now();
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void = (line) => process.stdout.write(`${line}\n`)) {
    this.#write = write;
  }

  /** Seconds since this object was made. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  say(line: string): void {
    this.#write(`[${this.seconds.toFixed(1).padStart(6)} s] ${line}`);
  }

  /** Runs one long step under a heartbeat. `expected` is its length as a person would say it ("about 6 min"). */
  async step<T>(title: string, expected: string, work: () => Promise<T>): Promise<T> {
    this.say(`${title} (${expected})`);
    const begun = this.seconds;
    const elapsed = () => `${Math.round(this.seconds - begun)} s`;
    const heartbeat = setInterval(() => this.say(`${title}: ${elapsed()} so far, ${expected}`), HEARTBEAT_MS);
    try {
      const result = await work();
      this.say(`${title}: done in ${elapsed()}`);
      return result;
    } finally {
      clearInterval(heartbeat);
    }
  }
}
