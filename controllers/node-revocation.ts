// SPDX-License-Identifier: Apache-2.0
import { KeyedLock } from '../src/identity/keyed-lock.ts';
import type {
  Revoked,
  RevocationLists,
  RevocationNotary,
  RevocationSummary,
  RevokeRequest,
} from '../src/notary/revocation-port.ts';

export interface NodeRevocationPorts {
  readonly notary: RevocationNotary;
  /** Has `reconcile` called with the key, and again until it succeeds. */
  enqueue(key: string): void;
  /** Uids of all pods that are on this node. */
  podUids(): readonly string[];
  /** Told of what was revoked. */
  revoked(request: RevokeRequest | undefined, revoked: Revoked): void;
  /** There are new lists. `urgent`: a process was refused; otherwise its peers may learn of it a moment later. */
  changed(urgent: boolean): void;
}

/** Key that stands for all pods that are not on the node any more. */
const OTHERS = '';

/**
 * Has the notary revoke what was taken back from pods, key the pod's uid, and holds the lists that came of it. What waits lies
 * in memory only; after a crash `revokeOthers` and the next look at each pod make up for it.
 */
export class NodeRevocation {
  readonly #ports: NodeRevocationPorts;
  readonly #lock = new KeyedLock();
  readonly #waiting = new Map<string, RevokeRequest[]>();
  #others = false;
  #lists: RevocationLists | undefined;
  /** The notary's summary at the time of `#lists`. */
  #followed = '';

  constructor(ports: NodeRevocationPorts) {
    this.#ports = ports;
  }

  /** As the notary gave them last; undefined before. */
  get lists(): RevocationLists | undefined {
    return this.#lists;
  }

  /** Returns at once; carried out in the background until the notary has done it. */
  revoke(request: RevokeRequest): void {
    const { podUid } = request;
    this.#waiting.set(podUid, [...(this.#waiting.get(podUid) ?? []), request]);
    this.#ports.enqueue(podUid);
  }

  /** Revokes what pods held that left while no agent was there. */
  revokeOthers(): void {
    this.#others = true;
    this.#ports.enqueue(OTHERS);
  }

  /** Resolves when nothing waits for the pod: what is issued from then on is not meant. Throws what the notary throws. */
  async settled(podUid: string): Promise<void> {
    if (this.#waiting.has(podUid)) await this.reconcile(podUid);
  }

  async reconcile(key: string): Promise<void> {
    await this.#lock.run(key, () => (key === OTHERS ? this.#revokeOthers() : this.#revokePod(key)));
  }

  /** Fetches the lists where the notary has others than before. Throws what the notary throws. */
  async follow(summary: RevocationSummary | undefined): Promise<void> {
    const text = JSON.stringify(summary);
    if (!summary || text === this.#followed) return;
    await this.#fetch(false);
    this.#followed = text;
  }

  async #revokePod(podUid: string): Promise<void> {
    for (;;) {
      const [request, ...later] = this.#waiting.get(podUid) ?? [];
      if (!request) return;
      const revoked = await this.#ports.notary.revoke(request);
      // Others may have come meanwhile; they stand behind.
      const left = this.#waiting.get(podUid)?.slice(1) ?? later;
      if (left.length > 0) this.#waiting.set(podUid, left);
      else this.#waiting.delete(podUid);
      await this.#told(request, revoked);
    }
  }

  async #revokeOthers(): Promise<void> {
    if (!this.#others) return;
    const revoked = await this.#ports.notary.revokeOthers({ podUids: this.#ports.podUids() });
    this.#others = false;
    await this.#told(undefined, revoked);
  }

  async #told(request: RevokeRequest | undefined, revoked: Revoked): Promise<void> {
    if (revoked.certificates + revoked.tokens === 0) return;
    this.#ports.revoked(request, revoked);
    await this.#fetch(request !== undefined && request.reason !== 'cessationOfOperation');
  }

  async #fetch(urgent: boolean): Promise<void> {
    this.#lists = await this.#ports.notary.revocationLists();
    this.#ports.changed(urgent);
  }
}
