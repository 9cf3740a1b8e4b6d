// SPDX-License-Identifier: Apache-2.0
import type { Requester } from './port.ts';

/**
 * A module as an IoT hub knows it. All parts together name its keys: a module made anew has other ones, and whoever may
 * only declare modules in another namespace never reaches them by calling his module the same.
 */
export interface HubModuleName {
  /** Kubernetes namespace that the module belongs to. */
  readonly namespace: string;
  readonly moduleId: string;
  /** The hub's, or another name of this life of the module; without colons. */
  readonly generationId: string;
}

/** A module has two keys, so that one can be replaced while the other is in use. */
export const HUB_KEY_IDS = ['primary', 'secondary'] as const;
export type HubKeyId = (typeof HUB_KEY_IDS)[number];

/** What may be brought in: those, and the key with which an IoT Edge device has encrypted for its modules. */
export const HUB_KEY_IMPORTS = [...HUB_KEY_IDS, 'encryption'] as const;
export type HubKeyImportId = (typeof HUB_KEY_IMPORTS)[number];

/** Derived from the node's master secret, or made by the hub and brought in. */
export const HUB_KEY_SOURCES = ['Derived', 'Imported'] as const;
export type HubKeySource = (typeof HUB_KEY_SOURCES)[number];

export interface HubSignRequest {
  readonly module: HubModuleName;
  readonly keyId: HubKeyId;
  readonly source: HubKeySource;
  /** At most 40 KiB. */
  readonly data: Buffer;
  readonly requester: Requester;
}

export interface HubCipherRequest {
  readonly module: HubModuleName;
  /** The module's own; authenticated, but never the nonce: that is random. At most 1 KiB. */
  readonly initializationVector: Buffer;
  /** Plaintext or ciphertext, at most 40 KiB. */
  readonly text: Buffer;
  readonly requester: Requester;
}

export interface HubKeyImport {
  readonly module: HubModuleName;
  readonly keyId: HubKeyImportId;
  /** Of 16 to 64 octets; `encryption`: of 16 or 32. */
  readonly key: Buffer;
}

/** Names a key that was brought in, never with what it is. */
export type HubKeyName = Pick<HubKeyImport, 'module' | 'keyId'>;

/** What the notary does with the symmetric keys by which an IoT hub knows modules. They never leave it. */
export interface HubNotary {
  /**
   * HMAC-SHA256 of the data with the module's key. Throws MechanismMissing where the token has no HMAC, NotFound where an
   * imported key was never brought in.
   */
  hubSign(request: HubSignRequest): Promise<Buffer>;
  hubEncrypt(request: HubCipherRequest): Promise<Buffer>;
  /**
   * Takes what IoT Edge has encrypted too. Throws InvalidRequest for what was not encrypted so for this module, NotFound
   * where IoT Edge's key was never brought in.
   */
  hubDecrypt(request: HubCipherRequest): Promise<Buffer>;
  /** Brings in a key that the hub made, in the place of the one before; the same again does nothing. */
  importHubKey(request: HubKeyImport): Promise<void>;
  /** The keys that were brought in; of more than a thousand some, the others once those are gone. */
  hubKeys(): Promise<readonly HubKeyName[]>;
  /** Destroys a key that was brought in; nothing happens where there is none. */
  destroyHubKey(key: HubKeyName): Promise<void>;
}
