// SPDX-License-Identifier: Apache-2.0
import { createHmac, timingSafeEqual } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { decryptedOfIotEdge, isOfIotEdge } from './edge-cipher.ts';
import { EdgeKeys } from './edge-keys.ts';
import { decrypted, encrypted, versionOf } from './hub-cipher.ts';
import { hubModuleName } from './hub-module-name.ts';
import {
  HUB_KEY_IDS,
  type HubCipherRequest,
  type HubKeyId,
  type HubKeyImport,
  type HubKeyName,
  type HubModuleName,
  type HubSignRequest,
} from './hub-port.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { unlessUnfit } from './module-keys.ts';
import { MasterSecrets, type MasterSecret } from './master-secret.ts';
import type { HeldSecret, RootOfTrust } from './root-of-trust/port.ts';
import type { StateFolder } from './state-folder.ts';

/** Names of so many keys fit into an answer. */
const MAX_LISTED = 1024;

/** What came out, and the key on the token that it came from. */
export interface HubUse {
  readonly result: Buffer;
  readonly keyUri: string;
}

/**
 * The symmetric keys of modules. One that the hub made lies on the token by itself and is used there. Others derive from
 * the node's master secret; the derivation runs on the token, but PKCS#11 2.40 has no HMAC whose result stays there, so
 * that the derived key is in this process's memory for the length of one call and then wiped.
 */
export class HubKeys {
  readonly #root: RootOfTrust;
  readonly #prefix: string;
  readonly #masters: MasterSecrets;
  readonly #edgeKeys: EdgeKeys;
  readonly #imported = new Map<string, HeldSecret | undefined>();

  constructor(
    root: RootOfTrust,
    home: { readonly trustDomain: string; readonly node: string; readonly masterSecretVersion?: number },
    state: Pick<StateFolder, 'read' | 'write'>,
  ) {
    this.#root = root;
    this.#prefix = `keystead-hub:${home.trustDomain}:${home.node}:`;
    this.#masters = new MasterSecrets(root, home, home.masterSecretVersion);
    this.#edgeKeys = new EdgeKeys(this.#masters, state);
  }

  /** Goes over to a master secret of at least this version; what the former encrypted is still decrypted. */
  reconfigure(masterSecretVersion = 1): void {
    this.#masters.want(masterSecretVersion);
  }

  /** Throws NotFound where an imported key was never brought in: a derived one in its place would be refused by the hub. */
  sign({ module, keyId, source, data }: Omit<HubSignRequest, 'requester'>): HubUse {
    if (source === 'Derived') {
      return withDerived(this.#masters.current(), signingInfo(module, keyId), (key) => hmac(key, data));
    }
    const imported = this.#importedKey(module, keyId);
    if (imported) return { result: imported.hmac(data), keyUri: imported.uri };
    const { namespace, moduleId, generationId } = module;
    const message = `the ${keyId} key of ${moduleId}, generation ${generationId}, in namespace ${namespace} was not brought into this node's token; its Secret must hold it when the pod's volume is mounted`;
    throw new KeysteadError('NotFound', message);
  }

  /** AES-256-GCM with the module's own key. */
  encrypt({ module, initializationVector, text }: Omit<HubCipherRequest, 'requester'>): HubUse {
    const master = this.#masters.current();
    const context = { module, initializationVector, version: master.version };
    return withDerived(master, encryptionInfo(module), (key) => encrypted(key, context, text));
  }

  /** Throws InvalidRequest, and NotFound where the master secret, or IoT Edge's key, that it was made with is not there. */
  decrypt({ module, initializationVector, text }: Omit<HubCipherRequest, 'requester'>): HubUse {
    if (isOfIotEdge(text)) {
      return this.#edgeKeys.use(module, (key) => decryptedOfIotEdge(key, module, { initializationVector, text }));
    }
    const master = this.#masters.get(versionOf(text));
    const context = { module, initializationVector, version: master.version };
    return withDerived(master, encryptionInfo(module), (key) => decrypted(key, context, text));
  }

  /** Takes a hub's key onto the token, once; another one under the same name takes its place. Gives its URI. */
  import({ module, keyId, key }: HubKeyImport): string {
    if (keyId === 'encryption') return this.#edgeKeys.import(module, checkedEncryptionKey(key));
    const present = this.#importedKey(module, keyId);
    if (present && isSame(present, key)) return present.uri;
    const label = this.#label(module, keyId);
    this.#imported.delete(label);
    if (present) this.#root.destroySecret(label);
    const secret = this.#root.importSecret(label, key);
    this.#imported.set(label, secret);
    return secret.uri;
  }

  /** The keys that were brought in for modules of this node, or as many of them as can be told at once. */
  list(): readonly HubKeyName[] {
    const onToken = this.#root.labels('Secret').flatMap((label) => this.#nameOf(label) ?? []);
    const sealed = this.#edgeKeys.list().map((module) => ({ module, keyId: 'encryption' }) as const);
    return [...onToken, ...sealed].slice(0, MAX_LISTED);
  }

  /** Destroys a key that was brought in; nothing happens where there is none. Gives its URI, or what it was kept under. */
  destroy({ module, keyId }: HubKeyName): string {
    if (keyId === 'encryption') return this.#edgeKeys.destroy(module);
    const label = this.#label(module, keyId);
    const uri = this.#imported.get(label)?.uri ?? label;
    this.#imported.delete(label);
    unlessUnfit(() => this.#root.destroySecret(label));
    return uri;
  }

  #importedKey(module: HubModuleName, keyId: HubKeyId): HeldSecret | undefined {
    const label = this.#label(module, keyId);
    if (!this.#imported.has(label))
      this.#imported.set(
        label,
        unlessUnfit(() => this.#root.findSecret(label, 'Imported')),
      );
    return this.#imported.get(label);
  }

  /** Unambiguous, since only the module id, which comes last, may hold colons. */
  #label({ namespace, moduleId, generationId }: HubModuleName, keyId: HubKeyId): string {
    return `${this.#prefix}${namespace}:${keyId}:${generationId}:${moduleId}`;
  }

  #nameOf(label: string): HubKeyName | undefined {
    if (!label.startsWith(this.#prefix)) return undefined;
    const [namespace = '', found, ...rest] = label.slice(this.#prefix.length).split(':');
    const keyId = HUB_KEY_IDS.find((each) => each === found);
    const module = hubModuleName([namespace, ...rest]);
    return keyId && module && { module, keyId };
  }
}

function checkedEncryptionKey(key: Buffer): Buffer {
  if (key.length === 16 || key.length === 32) return key;
  throw new KeysteadError('InvalidRequest', `encryption key: expected 16 or 32 bytes, found ${key.length}`);
}

function signingInfo(module: HubModuleName, keyId: HubKeyId): Buffer {
  return info('keystead hub signing', module, keyId);
}

function encryptionInfo(module: HubModuleName): Buffer {
  return info('keystead hub encryption', module);
}

/** What a key is derived for: each part with its length before it, so that no two modules and purposes are the same. */
function info(
  purpose: string,
  { namespace, moduleId, generationId }: HubModuleName,
  ...more: readonly string[]
): Buffer {
  return lengthPrefixed(...[purpose, namespace, moduleId, generationId, ...more].map((part) => Buffer.from(part)));
}

function withDerived(master: MasterSecret, info: Buffer, use: (key: Buffer) => Buffer): HubUse {
  const key = master.secret.hmac(info);
  try {
    return { result: use(key), keyUri: master.secret.uri };
  } finally {
    key.fill(0);
  }
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** Whether the token's key is this one, which it does not show. */
function isSame(held: HeldSecret, key: Buffer): boolean {
  const challenge = Buffer.from('keystead hub key comparison');
  return timingSafeEqual(held.hmac(challenge), hmac(key, challenge));
}
