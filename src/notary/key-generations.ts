// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../log.ts';
import type { HeldKey, KeyAlgorithm, RootOfTrust } from './root-of-trust/port.ts';

/** What the keys are for; part of their labels. */
export type KeyPurpose = 'issuer' | 'token' | 'device';

export interface KeyHome {
  readonly purpose: KeyPurpose;
  readonly trustDomain: string;
  readonly node: string;
}

/** The keys of one purpose that a node has on its token, by generation. Labels bind them to trust domain and node. */
export class KeyGenerations {
  readonly #root: RootOfTrust;
  readonly #purpose: KeyPurpose;
  readonly #prefix: string;
  readonly #log: Logger;

  constructor(root: RootOfTrust, home: KeyHome, log: Logger) {
    this.#root = root;
    this.#purpose = home.purpose;
    this.#prefix = `keystead-${home.purpose}:${home.trustDomain}:${home.node}:`;
    this.#log = log;
  }

  find(generation: number): HeldKey | undefined {
    return this.#root.find(this.#label(generation));
  }

  /** A key that nothing refers to is what a crash right after its making leaves; it is taken where it fits. */
  obtain(generation: number, algorithm: KeyAlgorithm): HeldKey {
    const found = this.find(generation);
    if (found?.algorithm === algorithm) return found;
    if (found) this.#root.destroy(found.label);
    const key = this.#root.generate(this.#label(generation), algorithm);
    this.#log.info({ key: key.uri, algorithm, purpose: this.#purpose }, 'made a key on the token');
    return key;
  }

  /** The newest generation on the token; 0 where there is none. */
  newest(): number {
    return Math.max(0, ...this.#generations());
  }

  /** A generation after `floor`; one that a crash left on the token is taken first. */
  next(floor: number): number {
    const newest = this.newest();
    return newest > floor ? newest : floor + 1;
  }

  /** Destroys keys older than `current` that nothing refers to any more. */
  destroyUnused(current: number, used: ReadonlySet<number>): void {
    for (const generation of this.#generations()) {
      if (generation >= current || used.has(generation)) continue;
      this.#root.destroy(this.#label(generation));
      this.#log.info({ key: this.#label(generation), purpose: this.#purpose }, 'destroyed a former key');
    }
  }

  #generations(): number[] {
    return this.#root
      .labels()
      .filter((label) => label.startsWith(this.#prefix))
      .map((label) => Number(label.slice(this.#prefix.length)))
      .filter((generation) => Number.isSafeInteger(generation) && generation > 0);
  }

  #label(generation: number): string {
    return `${this.#prefix}${generation}`;
  }
}
