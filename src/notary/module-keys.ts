// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { ModuleKeyName } from './key-port.ts';
import type { HeldKey, RootOfTrust } from './root-of-trust/port.ts';

/** The form in which Kubernetes writes UIDs (RFC 9562), and what other API servers may put there. */
export const IDENTITY_UID = /^[0-9A-Za-z-]{1,64}$/;
export const MAX_KEY_GENERATION = 2 ** 31 - 1;

/** A module's key is not as it must be. That is this module's trouble alone: the token goes on serving the others. */
export class UnfitModuleKey extends KeysteadError {
  constructor(cause: KeysteadError) {
    super('KeyUnfit', cause.message, { cause });
  }
}

/** Looks for a key that only modules use. Throws UnfitModuleKey instead of KeyUnfit. */
export function unlessUnfit<T>(find: () => T): T {
  try {
    return find();
  } catch (thrown) {
    throw thrown instanceof KeysteadError && thrown.code === 'KeyUnfit' ? new UnfitModuleKey(thrown) : thrown;
  }
}

/**
 * The keys of modules whose ModuleIdentity says `key.residency: Hardware`: a P-256 pair each, on the token under a label
 * that names trust domain, node, identity and generation. They are the only keys that sign what a caller brings.
 */
export class ModuleKeys {
  readonly #root: RootOfTrust;
  readonly #prefix: string;
  readonly #log: Logger;
  /** Finding a key proves its halves by a signature, which is too much for each use. */
  readonly #known = new Map<string, HeldKey>();

  constructor(root: RootOfTrust, home: { readonly trustDomain: string; readonly node: string }, log: Logger) {
    this.#root = root;
    this.#prefix = `keystead-module:${home.trustDomain}:${home.node}:`;
    this.#log = log;
  }

  /** The key; throws NotFound where there is none, KeyUnfit where its attributes are not those of a key that cannot leave. */
  get(name: ModuleKeyName): HeldKey {
    const key = this.#find(name);
    if (key) return key;
    const { identityUid, generation } = name;
    const found = `no key of generation ${generation} for ModuleIdentity ${identityUid}`;
    throw new KeysteadError(
      'NotFound',
      `expected a key of the module on the token, found ${found}; it is made at the next issue`,
    );
  }

  /**
   * The key, made where there is none; what a crash left behind is taken up. Throws TokenFull, KeyUnfit, MechanismMissing
   * also where keys are software: none of them is called a key in hardware.
   */
  obtain(name: ModuleKeyName): HeldKey {
    if (this.#root.token.kind === 'Software') throw noHardware();
    const present = this.#find(name);
    if (present) return present;
    const key = this.#root.generate(this.#label(name), 'EC-P256');
    this.#known.set(key.label, key);
    this.#log.info({ key: key.uri, ...name }, 'made a module key on the token');
    return key;
  }

  /** Destroys both halves; nothing happens where there are none. Gives the URI of what was destroyed, or its label. */
  destroy(name: ModuleKeyName): string {
    const label = this.#label(name);
    const uri = this.#known.get(label)?.uri ?? label;
    this.#known.delete(label);
    unlessUnfit(() => this.#root.destroy(label));
    this.#log.info({ label, ...name }, 'destroyed a module key');
    return uri;
  }

  /** All module keys of this node on the token. */
  list(): readonly ModuleKeyName[] {
    return this.#root.labels().flatMap((label) => this.#nameOf(label) ?? []);
  }

  #find(name: ModuleKeyName): HeldKey | undefined {
    const label = this.#label(name);
    const known = this.#known.get(label);
    if (known) return known;
    const key = unlessUnfit(() => this.#root.find(label));
    if (key) this.#known.set(label, key);
    return key;
  }

  #label({ identityUid, generation }: ModuleKeyName): string {
    return `${this.#prefix}${identityUid}:${generation}`;
  }

  #nameOf(label: string): ModuleKeyName | undefined {
    if (!label.startsWith(this.#prefix)) return undefined;
    const [identityUid = '', counter = '', ...rest] = label.slice(this.#prefix.length).split(':');
    const generation = Number(counter);
    const sound = rest.length === 0 && IDENTITY_UID.test(identityUid) && /^[1-9]\d{0,9}$/.test(counter);
    return sound && generation <= MAX_KEY_GENERATION ? { identityUid, generation } : undefined;
  }
}

function noHardware(): KeysteadError {
  const remedy = 'give the device a token or a TPM (rootOfTrust.modules is enough), or set key.residency to Memory';
  const found = 'this node keeps its keys in SOFTWARE';
  return new KeysteadError(
    'MechanismMissing',
    `key.residency Hardware: expected a token or a TPM, found ${found}; ${remedy}`,
  );
}
