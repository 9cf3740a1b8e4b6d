// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

interface Share {
  count: number;
  /** While the pod is full: when the first of its certificates ends, milliseconds since the Unix epoch. */
  fullUntil: number;
}

/**
 * How many certificates each pod has. One that asks without end is refused before it has filled what a node remembers: what
 * is forgotten cannot be revoked.
 */
export class LivingCertificates {
  readonly #most: number;
  readonly #shares = new Map<string, Share>();

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Throws Overloaded for a pod that has as many as it may. `withoutEnded` removes those that have ended and gives when the
   * others end; that is looked for when the count is full, and not again before the first of them ends.
   */
  admit(pod: string, now: number, withoutEnded: () => readonly number[]): void {
    const share = this.#shares.get(pod);
    if (!share || share.count < this.#most) return;
    if (now > share.fullUntil) {
      share.fullUntil = Math.min(...withoutEnded());
      if (share.count < this.#most) return;
    }
    const until = new Date(share.fullUntil).toISOString();
    const expected = `at most ${this.#most} certificates of a pod that have not ended`;
    const remedy = 'let the module keep what it has, or shorten x509.duration';
    const message = `expected ${expected}, found one more asked for; the first ends at ${until}: ${remedy}`;
    throw new KeysteadError('Overloaded', message, { retryAfterMs: Math.max(share.fullUntil - now, 0) + 1 });
  }

  added(pod: string): void {
    const share = this.#shares.get(pod);
    if (share) share.count++;
    else this.#shares.set(pod, { count: 1, fullUntil: 0 });
  }

  removed(pod: string): void {
    const share = this.#shares.get(pod);
    if (share && --share.count === 0) this.#shares.delete(pod);
  }
}
