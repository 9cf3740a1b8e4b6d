// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { holderEntry, type Holding } from '../src/identity/holding.ts';

export interface HolderStatusPorts {
  readonly node: string;
  holdings(): Iterable<Holding>;
  identity(namespace: string, name: string): ModuleIdentity | undefined;
  /** Server-side apply of `status.holders` under this node's field manager: entries left out are removed. */
  apply(namespace: string, name: string, holders: readonly Record<string, unknown>[]): Promise<void>;
}

/**
 * Reconciles this node's entries of ModuleIdentity.status.holders, key `namespace/name`. Each agent owns just its
 * own entries (field manager per node), so that many nodes share one status without a conflict.
 */
export class HolderStatus {
  readonly #ports: HolderStatusPorts;
  readonly #applied = new Map<string, string>();

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
    // A new object of the same name starts with an empty status.
    const text = JSON.stringify([identity.metadata.uid, entries]);
    if (this.#applied.get(key) === text) return;
    const mentioned = identity.status?.holders?.some(({ node }) => node === this.#ports.node) ?? false;
    if (entries.length > 0 || mentioned || this.#applied.has(key)) {
      await this.#ports.apply(namespace, name, entries);
    }
    this.#applied.set(key, text);
  }

  #entries(namespace: string, name: string): Record<string, unknown>[] {
    const own = [...this.#ports.holdings()].filter(
      (holding) => holding.namespace === namespace && holding.identities.includes(name),
    );
    return own
      .sort((left, right) => (left.podUid < right.podUid ? -1 : 1))
      .map((holding) => holderEntry(holding, name, this.#ports.node));
  }
}
