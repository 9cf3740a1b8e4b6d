// SPDX-License-Identifier: Apache-2.0
import type { IssuedToken, TokenRequest } from '../../notary/port.ts';

export interface ModuleTokensPorts {
  issue(request: TokenRequest): Promise<IssuedToken>;
  /** Whether a key is published: a token of another would convince nobody. */
  isPublished(keyId: string): boolean;
  /** Milliseconds since the epoch. */
  now(): number;
}

interface Kept {
  readonly issued: Promise<IssuedToken>;
  /** From now on another is asked for. */
  readonly renewAt: number;
}

/** Tokens that one pod may have in store; the one that was asked for longest ago goes first. */
const KEPT_PER_POD = 256;

/** JWT-SVIDs of this node's modules, each kept for its audiences until half of its life is over. In memory only. */
export class ModuleTokens {
  readonly #ports: ModuleTokensPorts;
  readonly #pods = new Map<string, Map<string, Kept>>();

  constructor(ports: ModuleTokensPorts) {
    this.#ports = ports;
  }

  /** Rejects with the notary's error. */
  async token(request: TokenRequest): Promise<IssuedToken> {
    const { requester, spiffeId, audiences, lifetimeSeconds } = request;
    const key = JSON.stringify([spiffeId, lifetimeSeconds, ...audiences]);
    const kept = this.#pods.get(requester.podUid)?.get(key);
    const now = this.#ports.now();
    if (kept && now < kept.renewAt) {
      const issued = await kept.issued;
      if (this.#ports.isPublished(issued.keyId)) return issued;
    }
    // Calls that come while it is signed share it.
    const issued = this.#ports.issue(request);
    const pod = this.#pods.get(requester.podUid) ?? new Map<string, Kept>();
    pod.delete(key);
    pod.set(key, { issued, renewAt: now + (lifetimeSeconds * 1000) / 2 });
    const [oldest] = pod.keys();
    if (pod.size > KEPT_PER_POD && oldest !== undefined) pod.delete(oldest);
    this.#pods.set(requester.podUid, pod);
    issued.catch(() => this.#drop(pod, key, issued));
    return issued;
  }

  /** The pod may not have any more what it had. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  #drop(pod: Map<string, Kept>, key: string, issued: Promise<IssuedToken>): void {
    if (pod.get(key)?.issued === issued) pod.delete(key);
  }
}
