// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../os/clock.ts';
import { keyRole, type KeyStatus } from './key-role.ts';
import { decodeKeyLedger, encodeKeyLedger, type LedgerEntry } from './key-ledger.ts';
import { WatchedRoot } from './root-of-trust/watched-root.ts';
import type { HeldKind, KeyAlgorithm, RootOfTrust } from './root-of-trust/port.ts';
import type { StateFolder } from './state-folder.ts';

export interface KeyInventoryOptions {
  readonly state: StateFolder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where in the state folder it is remembered. */
  readonly document: string;
}

/** What of a held key goes into the inventory. */
export interface SeenKey {
  readonly label: string;
  readonly kind: HeldKind;
  readonly uri: string;
  readonly algorithm?: KeyAlgorithm;
  readonly attributes: { readonly sensitive: boolean; readonly extractable: boolean };
}

/**
 * The keys of this node: which there are, where they live, when they were made and last used. A root of trust knows no
 * times, so these are remembered here; a crash may lose those of the last half minute.
 */
export class KeyInventory {
  readonly #options: KeyInventoryOptions;
  readonly #entries: Map<string, LedgerEntry>;
  #changed = false;

  constructor(options: KeyInventoryOptions) {
    this.#options = options;
    this.#entries = new Map(this.#read().map((entry) => [entry.uri, entry]));
  }

  /** The same root of trust; what happens to its keys is noted. */
  watch(root: RootOfTrust): RootOfTrust {
    return new WatchedRoot(root, this);
  }

  /** Forgets keys that are no longer there, of those whose place this is. */
  reconcile(roots: readonly RootOfTrust[]): void {
    const present = new Set(
      roots.flatMap((root) => KINDS.flatMap((kind) => root.labels(kind).map((label) => kind + label))),
    );
    for (const { uri, kind, label } of [...this.#entries.values()]) {
      if (!present.has(kind + label)) this.#forget(uri);
    }
  }

  found({ label, kind, uri, algorithm, attributes }: SeenKey, made: boolean): void {
    const known = this.#entries.get(uri);
    if (known && !made) return;
    const { sensitive, extractable } = attributes;
    const now = this.#options.clock.now();
    const times = { ...(made && { created: now }), ...(known?.lastUsed !== undefined && { lastUsed: known.lastUsed }) };
    this.#entries.set(uri, { label, kind, uri, ...(algorithm && { algorithm }), sensitive, extractable, ...times });
    this.#changed = true;
  }

  used(uri: string): void {
    const known = this.#entries.get(uri);
    if (!known) return;
    this.#entries.set(uri, { ...known, lastUsed: this.#options.clock.now() });
    this.#changed = true;
  }

  destroyed(kind: HeldKind, label: string): void {
    for (const entry of this.#entries.values())
      if (entry.kind === kind && entry.label === label) this.#forget(entry.uri);
  }

  /** The node's own keys first, then those used last. */
  list(): readonly KeyStatus[] {
    return [...this.#entries.values()].map(keyRole).sort(byWeight);
  }

  /** Writes down what has changed. */
  flush(): void {
    if (!this.#changed) return;
    try {
      this.#options.state.write(this.#options.document, encodeKeyLedger([...this.#entries.values()]));
      this.#changed = false;
    } catch (thrown) {
      this.#options.log.warn(
        { err: asKeysteadError(thrown).message },
        'cannot write the key inventory, trying again later',
      );
    }
  }

  #forget(uri: string): void {
    this.#changed = this.#entries.delete(uri) || this.#changed;
  }

  #read(): readonly LedgerEntry[] {
    const { state, log, document } = this.#options;
    try {
      const ledger = state.read(document);
      return ledger === undefined ? [] : decodeKeyLedger(ledger);
    } catch (thrown) {
      log.warn({ err: asKeysteadError(thrown).message }, 'the key inventory is unreadable, starting another');
      state.setAside(document);
      return [];
    }
  }
}

const KINDS: readonly HeldKind[] = ['KeyPair', 'Secret', 'Cipher'];
const OF_MODULES: ReadonlySet<KeyStatus['purpose']> = new Set(['Module', 'Hub']);

function byWeight(one: KeyStatus, other: KeyStatus): number {
  const weights = [one, other].map(({ purpose }) => Number(OF_MODULES.has(purpose)));
  const [a = 0, b = 0] = weights;
  return a - b || (other.lastUsed ?? 0) - (one.lastUsed ?? 0) || (one.uri < other.uri ? -1 : 1);
}
