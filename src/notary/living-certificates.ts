// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

interface Share {
  count: number;
  /** While the pod is full: when the first of its certificates ends, milliseconds since the Unix epoch. */
  fullUntil: number;
}

/** This part of its share a module does not get by asking: its files must be renewed meanwhile. */
const KEPT = 1 / 32;

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
   * Throws Overloaded for a pod that has as many as it may, which are fewer where the module itself asks. `withoutEnded`
   * removes those that have ended and gives when the others end; that is looked for when the count is full, and not again
   * before the first of them ends.
   */
  admit(pod: string, byModule: boolean, now: number, withoutEnded: () => readonly number[]): void {
    const share = this.#shares.get(pod);
    const most = this.#most - (byModule ? Math.floor(this.#most * KEPT) : 0);
    if (!share || share.count < most) return;
    if (now > share.fullUntil) {
      share.fullUntil = Math.min(...withoutEnded());
      if (share.count < most) return;
    }
    const until = new Date(share.fullUntil).toISOString();
    const purpose = byModule ? ' where it asks itself, others being kept for the renewal of its files' : '';
    const expected = `at most ${most} certificates of a pod that have not ended${purpose}`;
    const remedy = 'let the module keep what it has, or shorten x509.duration';
    const message = `expected ${expected}, found one more asked for; the first ends at ${until}: ${remedy}`;
    throw new KeysteadError('Overloaded', message, { retryAfterMs: Math.max(share.fullUntil - now, 0) + 1 });
  }

  /** `until`: its end, milliseconds since the Unix epoch. */
  added(pod: string, until: number): void {
    const share = this.#shares.get(pod);
    if (share) {
      share.count++;
      share.fullUntil = Math.min(share.fullUntil, until);
    } else this.#shares.set(pod, { count: 1, fullUntil: 0 });
  }

  removed(pod: string): void {
    const share = this.#shares.get(pod);
    if (share && --share.count === 0) this.#shares.delete(pod);
  }
}
