// SPDX-License-Identifier: Apache-2.0
import { timingSafeEqual } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { decrypted, encrypted, versionOf, type HubCipherContext } from './hub-cipher.ts';
import { hubModuleName } from './hub-module-name.ts';
import type { HubModuleName } from './hub-port.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import type { MasterSecret, MasterSecrets } from './master-secret.ts';
import type { StateFolder } from './state-folder.ts';

const DOCUMENT = 'edge-encryption-keys';

/** What came of the use of a key that is sealed. */
export interface Unsealed<T> {
  readonly result: T;
  /** The master secret that it is sealed with. */
  readonly keyUri: string;
}

/**
 * The keys with which an IoT Edge device has encrypted for its modules before it became one of this product. They lie in
 * the notary's state, each sealed for one module by a key that derives from the node's master secret on the token, and are
 * in memory for the length of one call. Nothing is encrypted with them any more.
 */
export class EdgeKeys {
  readonly #masters: MasterSecrets;
  readonly #state: Pick<StateFolder, 'read' | 'write'>;

  constructor(masters: MasterSecrets, state: Pick<StateFolder, 'read' | 'write'>) {
    this.#masters = masters;
    this.#state = state;
  }

  /** Seals a key, in the place of the one before. Gives the URI of the master secret. Throws what the token throws. */
  import(module: HubModuleName, key: Buffer): string {
    const master = this.#masters.current();
    const sealed = this.#sealed();
    if (this.#holds(module, key)) return master.secret.uri;
    const blob = withSealing(master, module, (sealing, context) => encrypted(sealing, context, key));
    this.#state.write(DOCUMENT, { ...sealed, [nameOf(module)]: blob.toString('base64') });
    return master.secret.uri;
  }

  /** Throws NotFound where the module's key was never brought in. */
  use<T>(module: HubModuleName, use: (key: Buffer) => T): Unsealed<T> {
    const found = this.#sealed()[nameOf(module)];
    if (found === undefined) {
      const { moduleId, generationId, namespace } = module;
      const missing = `the encryption key with which IoT Edge has encrypted for ${moduleId}, generation ${generationId}, in namespace ${namespace}`;
      throw new KeysteadError('NotFound', `${missing} was not brought in: entry encryption of iotEdge.keysSecretName`);
    }
    const blob = Buffer.from(found, 'base64');
    const master = this.#masters.get(versionOf(blob));
    const key = withSealing(master, module, (sealing, context) => decrypted(sealing, context, blob));
    try {
      return { result: use(key), keyUri: master.secret.uri };
    } finally {
      key.fill(0);
    }
  }

  /** The modules whose keys are here. */
  list(): readonly HubModuleName[] {
    return Object.keys(this.#sealed()).flatMap((name) => hubModuleName(name.split(':')) ?? []);
  }

  /** Forgets a module's key. Gives the name under which it lay. */
  destroy(module: HubModuleName): string {
    const name = nameOf(module);
    const { [name]: found, ...rest } = this.#sealed();
    if (found !== undefined) this.#state.write(DOCUMENT, rest);
    return `${DOCUMENT}:${name}`;
  }

  /** Whether it is there already; one that cannot be opened any more gives way. */
  #holds(module: HubModuleName, key: Buffer): boolean {
    try {
      return this.use(module, (held) => held.length === key.length && timingSafeEqual(held, key)).result;
    } catch (thrown) {
      if (thrown instanceof KeysteadError && (thrown.code === 'NotFound' || thrown.code === 'InvalidRequest'))
        return false;
      throw thrown;
    }
  }

  #sealed(): Readonly<Record<string, string>> {
    return (this.#state.read(DOCUMENT) as Readonly<Record<string, string>> | undefined) ?? {};
  }
}

/** Unambiguous, since only the module id, which comes last, may hold colons. */
const nameOf = ({ namespace, moduleId, generationId }: HubModuleName): string =>
  `${namespace}:${generationId}:${moduleId}`;

function withSealing(
  { version, secret }: MasterSecret,
  module: HubModuleName,
  use: (sealing: Buffer, context: HubCipherContext) => Buffer,
): Buffer {
  const { namespace, moduleId, generationId } = module;
  const parts = ['keystead edge encryption key', namespace, moduleId, generationId].map((part) => Buffer.from(part));
  const sealing = secret.hmac(lengthPrefixed(...parts));
  try {
    return use(sealing, { module, initializationVector: Buffer.alloc(0), version });
  } finally {
    sealing.fill(0);
  }
}
