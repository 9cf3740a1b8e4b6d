// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../log.ts';
import { isApiError } from './api-error.ts';
import { pause } from './back-off.ts';
import type { KubeClient } from './client.ts';
import { leases, type Lease } from './kinds.ts';

export interface LeaderOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  /** The Lease that the candidates share. */
  readonly namespace: string;
  readonly name: string;
  /** Names this candidate; must differ from every other's, also from this one's before a restart. */
  readonly identity: string;
  readonly timing?: Partial<LeaderTiming>;
}

/** `leaseMs` > `renewWithinMs` > `retryMs`; another candidate takes over at the earliest after `leaseMs`. */
export interface LeaderTiming {
  readonly leaseMs: number;
  /** Leadership is given up when renewing has not succeeded for so long. */
  readonly renewWithinMs: number;
  readonly retryMs: number;
}

const TIMING: LeaderTiming = { leaseMs: 15_000, renewWithinMs: 10_000, retryMs: 2_000 };

/**
 * Lets one of several processes work at a time, by a Lease. Whether another's lease has run out is judged by how long
 * this process has seen it unchanged, never by comparing clocks, so a device with a wrong clock takes nothing away.
 */
export class LeaderElection {
  readonly #options: LeaderOptions;
  readonly #timing: LeaderTiming;
  #leading = false;
  /** Who held the lease when it was last looked at. */
  #holder: string | undefined;
  /** The lease as last seen, and since when it has looked like this. */
  #seen: { readonly version: string; readonly at: number } | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  get leading(): boolean {
    return this.#leading;
  }

  /**
   * Stands for election until the signal is aborted. Each time it wins it calls `lead`, whose signal is aborted
   * when leadership is lost or the outer signal aborted. The lease is released only after `lead` has ended.
   * Rejects only where `lead` rejects.
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { log, identity } = this.#options;
    while (!signal.aborted) {
      if (!(await this.#tryOnce(signal))) {
        await pause(this.#timing.retryMs * (1 + Math.random() / 5), signal);
        continue;
      }
      log.info({ identity }, 'leading');
      await this.#term(signal, lead);
      log.info({ identity }, 'no longer leading');
    }
  }

  async #term(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const term = new AbortController();
    const either = AbortSignal.any([signal, term.signal]);
    this.#leading = true;
    const work = lead(either).finally(() => term.abort());
    try {
      await this.#renewUntilLost(either);
      this.#leading = false;
      term.abort(new Error('leadership lost'));
      await work;
    } finally {
      this.#leading = false;
      await this.#release();
    }
  }

  async #renewUntilLost(signal: AbortSignal): Promise<void> {
    let renewedAt = performance.now();
    for (;;) {
      await pause(this.#timing.retryMs, signal);
      if (signal.aborted) return;
      const attemptAt = performance.now();
      if (await this.#tryOnce(signal)) renewedAt = attemptAt;
      else if (performance.now() - renewedAt > this.#timing.renewWithinMs || !this.#mayStillHold()) return;
    }
  }

  /** False once another holder has been seen in the lease. */
  #mayStillHold(): boolean {
    return this.#holder === undefined || this.#holder === this.#options.identity;
  }

  /** Acquires or renews; false where another holds the lease or the server gave no answer. */
  async #tryOnce(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, name, log } = this.#options;
    const options = { signal, timeoutMs: Math.max(1000, this.#timing.renewWithinMs / 2) };
    try {
      const lease = await client.find(leases, { namespace, name }, options);
      if (!lease) {
        await client.create(leases, { metadata: { namespace, name }, spec: this.#claim(undefined) }, options);
        return true;
      }
      if (!this.#available(lease)) return false;
      const change = {
        // Two candidates that saw the same version cannot both win.
        metadata: { resourceVersion: lease.metadata?.resourceVersion },
        spec: this.#claim(lease.spec),
      };
      await client.patch(leases, { namespace, name }, change, { type: 'merge', ...options });
      return true;
    } catch (thrown) {
      if (!isApiError(thrown, 'Conflict', 'AlreadyExists') && !signal.aborted) {
        log.warn({ lease: `${namespace}/${name}`, err: (thrown as Error).message }, 'lease cannot be had just now');
      }
      return false;
    }
  }

  #available(lease: Lease): boolean {
    const holder = lease.spec?.holderIdentity ?? '';
    this.#holder = holder === '' ? undefined : holder;
    if (holder === '' || holder === this.#options.identity) return true;
    const version = `${holder} ${lease.spec?.renewTime ?? ''}`;
    if (this.#seen?.version !== version) this.#seen = { version, at: performance.now() };
    const lastsMs = (lease.spec?.leaseDurationSeconds ?? this.#timing.leaseMs / 1000) * 1000;
    return performance.now() - this.#seen.at > lastsMs;
  }

  #claim(before: Lease['spec']): NonNullable<Lease['spec']> {
    const { identity } = this.#options;
    const now = new Date().toISOString().replace('Z', '000Z');
    const held = before?.holderIdentity === identity;
    this.#holder = identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseMs / 1000),
      renewTime: now,
      acquireTime: held ? (before.acquireTime ?? now) : now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (held || before === undefined ? 0 : 1),
    };
  }

  /** Leaves the lease free for the next candidate, if it is still ours. A failure only costs the next one time. */
  async #release(): Promise<void> {
    const { client, namespace, name, identity, log } = this.#options;
    try {
      const options = { timeoutMs: 3000 };
      const lease = await client.find(leases, { namespace, name }, options);
      if (lease?.spec?.holderIdentity !== identity) return;
      const change = {
        metadata: { resourceVersion: lease.metadata?.resourceVersion },
        spec: { holderIdentity: '', leaseDurationSeconds: 1 },
      };
      await client.patch(leases, { namespace, name }, change, { type: 'merge', ...options });
    } catch (thrown) {
      log.debug({ err: (thrown as Error).message }, 'lease not released');
    }
  }
}
