// SPDX-License-Identifier: Apache-2.0

/**
 * What a key on the token is to the ModuleIdentity that it was made for. `Current`: the one that it uses. `Former`: another
 * has taken its place. `Orphan`: none asks for such a key any more.
 */
export type KeyStanding = 'Current' | 'Former' | 'Orphan';

/** Milliseconds for which a key without use stays. */
const PATIENCE_MS: Readonly<Record<KeyStanding, number>> = {
  /** Its pod may come back. */
  Current: 600_000,
  /** For modules that have not read their new certificate yet. */
  Former: 60_000,
  Orphan: 0,
};

/** Decides how long keys stay on the token, each by its label. */
export class KeyPatience {
  /** Since when each key has been seen without use. */
  readonly #idleSince = new Map<string, number>();

  /** The key is about to be used: it stays. */
  touch(label: string, now: number): void {
    this.#idleSince.set(label, now);
  }

  /** A key that was made after the list of them was asked for may be missing in it. */
  touchedSince(label: string, time: number): boolean {
    return (this.#idleSince.get(label) ?? -Infinity) >= time;
  }

  /** For a key without use: for how long it stays, in milliseconds; none where it is to be destroyed. */
  leftMs(label: string, standing: KeyStanding, now: number): number {
    const since = this.#idleSince.get(label) ?? now;
    this.#idleSince.set(label, since);
    const patience = PATIENCE_MS[standing];
    // A clock that was set back must not keep a key for ever.
    return since > now ? patience : Math.max(0, since + patience - now);
  }

  /** The key is in use, or gone. */
  forget(label: string): void {
    this.#idleSince.delete(label);
  }

  /** Forgets all but these. */
  retain(labels: ReadonlySet<string>): void {
    for (const label of this.#idleSince.keys()) if (!labels.has(label)) this.#idleSince.delete(label);
  }
}
