// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { unlessUnfit } from './module-keys.ts';
import type { HeldSecret, RootOfTrust } from './root-of-trust/port.ts';

export interface MasterSecret {
  /** Counts the node's master secrets, from 1. What was made with one says which. */
  readonly version: number;
  readonly secret: HeldSecret;
}

/** The node's secrets that others derive from, by version. They lie in the root of trust and are made at first use. */
export class MasterSecrets {
  readonly #root: RootOfTrust;
  readonly #prefix: string;
  readonly #known = new Map<number, HeldSecret>();
  #newest: number | undefined;
  #wanted: number;

  /** `wanted` is the version that is used at least. */
  constructor(root: RootOfTrust, home: { readonly trustDomain: string; readonly node: string }, wanted = 1) {
    this.#wanted = wanted;
    this.#root = root;
    this.#prefix = `keystead-master:${home.trustDomain}:${home.node}:`;
  }

  /** The newest one. Throws MechanismMissing where the root of trust holds no secrets, TokenFull, KeyUnfit. */
  current(): MasterSecret {
    this.#newest ??= this.#newestOnToken();
    const version = Math.max(this.#newest, this.#wanted);
    const known = this.#find(version);
    if (known) return { version, secret: known };
    const secret = this.#root.generateSecret(this.#label(version));
    this.#known.set(version, secret);
    return { version, secret };
  }

  /** From now on a version is used that is at least this. */
  want(version: number): void {
    this.#wanted = version;
  }

  /** A former one. Throws NotFound. */
  get(version: number): MasterSecret {
    const secret = this.#find(version);
    if (secret) return { version, secret };
    const message = `there is no master secret of version ${version} on this token: it was destroyed, or it is another's`;
    throw new KeysteadError('NotFound', message);
  }

  #find(version: number): HeldSecret | undefined {
    const known =
      this.#known.get(version) ?? unlessUnfit(() => this.#root.findSecret(this.#label(version), 'Generated'));
    if (known) this.#known.set(version, known);
    return known;
  }

  #newestOnToken(): number {
    const versions = this.#root
      .labels('Secret')
      .filter((label) => label.startsWith(this.#prefix))
      .map((label) => Number(label.slice(this.#prefix.length)))
      .filter((version) => Number.isSafeInteger(version) && version > 0);
    return Math.max(0, ...versions);
  }

  #label(version: number): string {
    return `${this.#prefix}${version}`;
  }
}
