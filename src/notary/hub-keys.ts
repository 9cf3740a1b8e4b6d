// SPDX-License-Identifier: Apache-2.0
import { createHmac, timingSafeEqual } from 'node:crypto';
import { decrypted, encrypted, versionOf } from './hub-cipher.ts';
import type { HubCipherRequest, HubKeyId, HubKeyImport, HubModuleName, HubSignRequest } from './hub-port.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { unlessUnfit } from './module-keys.ts';
import { MasterSecrets, type MasterSecret } from './master-secret.ts';
import type { HeldSecret, RootOfTrust } from './root-of-trust/port.ts';

/** What came out, and the key on the token that it came from. */
export interface HubUse {
  readonly result: Buffer;
  readonly keyUri: string;
}

/**
 * The symmetric keys of modules. One that the hub made lies on the token by itself and is used there. Others derive from
 * the node's master secret as IoT Edge derives them; the derivation runs on the token, but PKCS#11 2.40 has no HMAC whose
 * result stays there, so that the derived key is in this process's memory for the length of one call and then wiped.
 */
export class HubKeys {
  readonly #root: RootOfTrust;
  readonly #prefix: string;
  readonly #masters: MasterSecrets;
  readonly #imported = new Map<string, HeldSecret | undefined>();

  constructor(root: RootOfTrust, home: { readonly trustDomain: string; readonly node: string }) {
    this.#root = root;
    this.#prefix = `keystead-hub:${home.trustDomain}:${home.node}:`;
    this.#masters = new MasterSecrets(root, home);
  }

  sign({ module, keyId, data }: Omit<HubSignRequest, 'requester'>): HubUse {
    const imported = this.#importedKey(module, keyId);
    if (imported) return { result: imported.hmac(data), keyUri: imported.uri };
    return withDerived(this.#masters.current(), derivation(module, keyId), (key) => hmac(key, data));
  }

  /** AES-256-GCM with the module's own key. */
  encrypt({ module, initializationVector, text }: Omit<HubCipherRequest, 'requester'>): HubUse {
    const master = this.#masters.current();
    const context = { module, initializationVector, version: master.version };
    return withDerived(master, encryptionInfo(module), (key) => encrypted(key, context, text));
  }

  /** Throws InvalidRequest, and NotFound where the master secret that it was made with is gone. */
  decrypt({ module, initializationVector, text }: Omit<HubCipherRequest, 'requester'>): HubUse {
    const master = this.#masters.get(versionOf(text));
    const context = { module, initializationVector, version: master.version };
    return withDerived(master, encryptionInfo(module), (key) => decrypted(key, context, text));
  }

  /** Takes a hub's key onto the token, once; another one under the same name takes its place. Gives its URI. */
  import({ module, keyId, key }: HubKeyImport): string {
    const present = this.#importedKey(module, keyId);
    if (present && isSame(present, key)) return present.uri;
    const label = this.#label(module, keyId);
    this.#imported.delete(label);
    if (present) this.#root.destroySecret(label);
    const secret = this.#root.importSecret(label, key);
    this.#imported.set(label, secret);
    return secret.uri;
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
  #label({ moduleId, generationId }: HubModuleName, keyId: HubKeyId): string {
    return `${this.#prefix}${keyId}:${generationId}:${moduleId}`;
  }
}

/** As iot-identity-service derives a module's keys (identity.rs): from its id, generation and which key it is. */
function derivation({ moduleId, generationId }: HubModuleName, keyId: HubKeyId): Buffer {
  return Buffer.from(`${moduleId}:${generationId}:${keyId}`);
}

/** Each part with its length before it; no text that `derivation` gives starts with a zero. */
function encryptionInfo({ moduleId, generationId }: HubModuleName): Buffer {
  return lengthPrefixed(Buffer.from('keystead hub encryption'), Buffer.from(moduleId), Buffer.from(generationId));
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
