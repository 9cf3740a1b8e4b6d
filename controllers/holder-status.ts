// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { holderEntry, type Holding } from '../src/identity/holding.ts';

export interface HolderStatusPorts {
  readonly node: string;
  holdings(): Iterable<Holding>;
  identity(namespace: string, name: string): ModuleIdentity | undefined;
  /** Server-side apply of `status.holders` under this node's field manager: entries left out are removed. */
  apply(namespace: string, name: string, holders: readonly Record<string, unknown>[]): Promise<void>;
}

interface Applied {
  readonly text: string;
  /** Of the object as it was known by then. */
  readonly resourceVersion: string | undefined;
}

/**
 * Reconciles this node's entries of ModuleIdentity.status.holders, key `namespace/name`. Each agent owns just its
 * own entries (field manager per node), so that many nodes share one status without a conflict.
 */
export class HolderStatus {
  readonly #ports: HolderStatusPorts;
  readonly #applied = new Map<string, Applied>();

  constructor(ports: HolderStatusPorts) {
    this.#ports = ports;
  }

  async reconcile(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const identity = this.#ports.identity(namespace, name);
    if (!identity) {
      this.#applied.delete(key);
      return;
    }
    const entries = this.#entries(namespace, name);
    const shown = entriesOf(identity, this.#ports.node);
    const { uid, resourceVersion } = identity.metadata;
    // A new object of the same name starts with an empty status.
    const text = JSON.stringify([uid, entries]);
    const applied = this.#applied.get(key);
    if (applied?.text === text) {
      // What is known may be older than what was written.
      if (applied.resourceVersion === resourceVersion || isDeepStrictEqual(shown, entries)) return;
    }
    if (entries.length > 0 || shown.length > 0 || applied) await this.#ports.apply(namespace, name, entries);
    this.#applied.set(key, { text, resourceVersion });
  }

  #entries(namespace: string, name: string): Record<string, unknown>[] {
    const own = [...this.#ports.holdings()].filter(
      (holding) => holding.namespace === namespace && holding.identities.includes(name),
    );
    return own.map((holding) => holderEntry(holding, name, this.#ports.node)).sort(byPod);
  }
}

/**
 * What the status shows of a node. It may not be what the node's agent wrote last: a write that was given up may reach an API
 * server that hung after the next one has.
 */
export function entriesOf(identity: ModuleIdentity | undefined, node: string): readonly object[] {
  return (identity?.status?.holders ?? []).filter((holder) => holder.node === node).sort(byPod);
}

function byPod(left: { podUid?: unknown }, right: { podUid?: unknown }): number {
  return String(left.podUid) < String(right.podUid) ? -1 : 1;
}
