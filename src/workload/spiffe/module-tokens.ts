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
  readonly madeAt: number;
  /** From now on another is asked for. */
  renewAt: number;
}

/** Tokens that one pod may have in store; the one that was renewed longest ago goes first. */
const KEPT_PER_POD = 256;
/** While the notary is away: how long a token is given out again before it is asked once more, milliseconds. */
const RETRY_MS = 1_000;
/** A token that ends within this is of no use to who gets it, milliseconds. */
const USEFUL_MS = 10_000;

/** JWT-SVIDs of this node's modules, each kept for its audiences until half of its life is over. In memory only. */
export class ModuleTokens {
  readonly #ports: ModuleTokensPorts;
  readonly #pods = new Map<string, Map<string, Kept>>();

  constructor(ports: ModuleTokensPorts) {
    this.#ports = ports;
  }

  /** Rejects with the notary's error where there is no token that is still good. */
  async token(request: TokenRequest): Promise<IssuedToken> {
    const { requester, spiffeId, audiences, lifetimeSeconds } = request;
    const key = JSON.stringify([spiffeId, lifetimeSeconds, ...audiences]);
    const kept = this.#pods.get(requester.podUid)?.get(key);
    const now = this.#ports.now();
    // One from before the clock was set back would be good for longer than it may.
    if (kept && now >= kept.madeAt && now < kept.renewAt) {
      const issued = await kept.issued;
      if (this.#ports.isPublished(issued.keyId)) return issued;
    }
    // Calls that come while it is signed share it.
    const renewAt = now + (lifetimeSeconds * 1000) / 2;
    const renewed: Kept = {
      madeAt: now,
      renewAt,
      issued: this.#ports.issue(request).catch((error: unknown) => this.#instead(kept, error)),
    };
    this.#keep(requester.podUid, key, renewed);
    const issued = await renewed.issued.catch((error: unknown) => {
      this.#drop(requester.podUid, key, renewed);
      throw error;
    });
    if (kept && issued === (await kept.issued.catch(() => undefined))) renewed.renewAt = now + RETRY_MS;
    return issued;
  }

  /** The pod may not have any more what it had. */
  forget(podUid: string): void {
    this.#pods.delete(podUid);
  }

  #keep(podUid: string, key: string, kept: Kept): void {
    const pod = this.#pods.get(podUid) ?? new Map<string, Kept>();
    pod.delete(key);
    pod.set(key, kept);
    const [oldest] = pod.keys();
    if (pod.size > KEPT_PER_POD && oldest !== undefined) pod.delete(oldest);
    this.#pods.set(podUid, pod);
  }

  /** The former token, while it is good: nobody should be without one because the notary restarts. */
  async #instead(kept: Kept | undefined, error: unknown): Promise<IssuedToken> {
    const before = await kept?.issued.catch(() => undefined);
    if (before && before.expiresAt > this.#ports.now() + USEFUL_MS && this.#ports.isPublished(before.keyId))
      return before;
    throw error;
  }

  #drop(podUid: string, key: string, kept: Kept): void {
    const pod = this.#pods.get(podUid);
    if (pod?.get(key) === kept) pod.delete(key);
  }
}
