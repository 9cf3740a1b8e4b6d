// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { moduleKeyAt, sameKey } from '../src/identity/module-key.ts';
import type { ModuleKeyName } from '../src/notary/key-port.ts';
import type { Clock } from '../src/os/clock.ts';
import { KeyPatience, type KeyStanding } from './key-patience.ts';

export interface ModuleKeysPorts {
  readonly clock: Clock;
  /** Whether the notary has its token open; nothing is done where not. */
  ready(): boolean;
  /**
   * Whether the identities are as the API server tells them; nothing is destroyed where not: to who has not heard of an
   * identity yet it looks like a deleted one.
   */
  knowsIdentities(): boolean;
  /** The keys of modules that are on this node's token. */
  list(): Promise<readonly ModuleKeyName[]>;
  destroy(key: ModuleKeyName): Promise<void>;
  /** Any ModuleIdentity of the cluster, by uid. */
  identity(uid: string): ModuleIdentity | undefined;
  /** Keys whose certificates the pods of this node hold. */
  inUse(): Iterable<ModuleKeyName>;
  /** A key that is in use is gone from the token: its pods need new certificates. */
  lost(key: ModuleKeyName): void;
}

/** Between two looks that nothing has asked for, milliseconds. */
const LOOK_MS = 600_000;

/**
 * Reconciles the module keys on the node's token with the ModuleIdentities: destroys those of deleted identities, those
 * that were rotated out, and what a crash left behind. Level-based; knows no more than what the token and the cluster say.
 */
export class ModuleKeysReconciler {
  readonly #ports: ModuleKeysPorts;
  readonly #patience = new KeyPatience();
  #lost: readonly ModuleKeyName[] = [];

  constructor(ports: ModuleKeysPorts) {
    this.#ports = ports;
  }

  /** A certificate for the key is about to be asked for: the key stays, and is not lost any more. */
  touch(key: ModuleKeyName): void {
    this.#patience.touch(labelOf(key), this.#ports.clock.now());
    this.#lost = this.#lost.filter((lost) => !sameKey(lost, key));
  }

  /** Whether the key was in use and not on the token at the last look. */
  isLost(key: ModuleKeyName): boolean {
    return this.#lost.some((lost) => sameKey(lost, key));
  }

  async reconcile(): Promise<{ readonly requeueAfterMs: number }> {
    if (!this.#ports.ready()) return { requeueAfterMs: LOOK_MS };
    const startedAt = this.#ports.clock.now();
    const present = await this.#ports.list();
    const used = new Map([...this.#ports.inUse()].map((key) => [labelOf(key), key]));
    const known = new Set(present.map(labelOf));
    const missing = [...used.values()].filter((key) => !known.has(labelOf(key)));
    this.#noteLost(missing.filter((key) => !this.#patience.touchedSince(labelOf(key), startedAt)));
    const idle = this.#ports.knowsIdentities() ? present.filter((key) => !used.has(labelOf(key))) : [];
    const waits = [];
    for (const key of idle) waits.push(await this.#keepOrDestroy(key));
    for (const label of used.keys()) this.#patience.forget(label);
    this.#patience.retain(known);
    return { requeueAfterMs: Math.min(LOOK_MS, ...waits) };
  }

  /** For a key without use. Tells when it is to be looked at again, in milliseconds. */
  async #keepOrDestroy(key: ModuleKeyName): Promise<number> {
    const label = labelOf(key);
    const now = this.#ports.clock.now();
    const left = this.#patience.leftMs(label, standing(key, this.#ports.identity(key.identityUid), now), now);
    if (left > 0) return left;
    await this.#ports.destroy(key);
    this.#patience.forget(label);
    return LOOK_MS;
  }

  #noteLost(missing: readonly ModuleKeyName[]): void {
    this.#lost = missing;
    for (const key of missing) this.#ports.lost(key);
  }
}

function standing(key: ModuleKeyName, identity: ModuleIdentity | undefined, now: number): KeyStanding {
  const current = identity && moduleKeyAt(identity, now)?.name;
  if (!current) return 'Orphan';
  return sameKey(current, key) ? 'Current' : 'Former';
}

const labelOf = ({ identityUid, generation }: ModuleKeyName): string => `${identityUid}:${generation}`;
