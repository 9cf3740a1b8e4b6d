// SPDX-License-Identifier: Apache-2.0
import type { Logger } from '../log.ts';
import type { HeldKey, KeyAlgorithm, RootOfTrust } from './root-of-trust/port.ts';

/** The CA keys of one node on its token, by generation. Labels bind them to the trust domain and the node. */
export class AuthorityKeys {
  readonly #root: RootOfTrust;
  readonly #prefix: string;
  readonly #log: Logger;

  constructor(root: RootOfTrust, home: { readonly trustDomain: string; readonly node: string }, log: Logger) {
    this.#root = root;
    this.#prefix = `keystead-issuer:${home.trustDomain}:${home.node}:`;
    this.#log = log;
  }

  find(generation: number): HeldKey | undefined {
    return this.#root.find(this.#label(generation));
  }

  /** A key without certificate is what a crash right after its making leaves; it is taken where it fits. */
  obtain(generation: number, algorithm: KeyAlgorithm): HeldKey {
    const found = this.find(generation);
    if (found?.algorithm === algorithm) return found;
    if (found) this.#root.destroy(found.label);
    const key = this.#root.generate(this.#label(generation), algorithm);
    this.#log.info({ key: key.uri, algorithm }, 'made a CA key on the token');
    return key;
  }

  /** The newest generation on the token; 0 where there is none. */
  newest(): number {
    return Math.max(0, ...this.#generations());
  }

  /** Destroys keys older than `current` that nothing refers to any more. */
  destroyUnused(current: number, used: ReadonlySet<number>): void {
    for (const generation of this.#generations()) {
      if (generation >= current || used.has(generation)) continue;
      this.#root.destroy(this.#label(generation));
      this.#log.info({ key: this.#label(generation) }, 'destroyed a former CA key');
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
