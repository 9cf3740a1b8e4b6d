// SPDX-License-Identifier: Apache-2.0
import type {
  HeldCipher,
  HeldKey,
  HeldKind,
  HeldSecret,
  KeyAlgorithm,
  PublicHalf,
  RootOfTrust,
  SecretOrigin,
  TokenDescription,
} from './port.ts';

/** Is told what happens to keys. */
export interface KeyWatcher {
  found(
    key: Pick<HeldKey, 'label' | 'uri' | 'attributes'> & Partial<HeldKey> & { kind: HeldKind },
    made: boolean,
  ): void;
  used(uri: string): void;
  destroyed(kind: HeldKind, label: string): void;
}

/** A root of trust that tells somebody what is done with its keys. */
export class WatchedRoot implements RootOfTrust {
  readonly attester?: NonNullable<RootOfTrust['attester']>;
  readonly certify?: NonNullable<RootOfTrust['certify']>;
  readonly #root: RootOfTrust;
  readonly #watcher: KeyWatcher;

  constructor(root: RootOfTrust, watcher: KeyWatcher) {
    this.#root = root;
    this.#watcher = watcher;
    if (root.attester) this.attester = root.attester;
    const certify = root.certify?.bind(root);
    if (certify) this.certify = certify;
  }

  get token(): TokenDescription {
    return this.#root.token;
  }

  find(label: string): HeldKey | undefined {
    const key = this.#root.find(label);
    return key && this.#pair(key, false);
  }

  findExisting(uri: string, half: PublicHalf): HeldKey {
    return this.#pair(this.#root.findExisting(uri, half), false);
  }

  generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    return this.#pair(this.#root.generate(label, algorithm), true);
  }

  destroy(label: string): void {
    this.#root.destroy(label);
    this.#watcher.destroyed('KeyPair', label);
  }

  findSecret(label: string, origin?: SecretOrigin): HeldSecret | undefined {
    const secret = this.#root.findSecret(label, origin);
    return secret && this.#secret(secret, false);
  }

  generateSecret(label: string): HeldSecret {
    return this.#secret(this.#root.generateSecret(label), true);
  }

  importSecret(label: string, value: Buffer): HeldSecret {
    return this.#secret(this.#root.importSecret(label, value), true);
  }

  destroySecret(label: string): void {
    this.#root.destroySecret(label);
    this.#watcher.destroyed('Secret', label);
  }

  findCipher(label: string): HeldCipher | undefined {
    const cipher = this.#root.findCipher(label);
    return cipher && this.#cipher(cipher, false);
  }

  generateCipher(label: string): HeldCipher {
    return this.#cipher(this.#root.generateCipher(label), true);
  }

  destroyCipher(label: string): void {
    this.#root.destroyCipher(label);
    this.#watcher.destroyed('Cipher', label);
  }

  labels(kind?: HeldKind): readonly string[] {
    return this.#root.labels(kind);
  }

  close(): void {
    this.#root.close();
  }

  #pair(key: HeldKey, made: boolean): HeldKey {
    const { label, algorithm, uri, publicKey, attributes } = key;
    this.#watcher.found({ label, kind: 'KeyPair', uri, algorithm, attributes }, made);
    const used = this.#using(uri);
    const sign = (message: Buffer): Buffer => used(key.sign(message));
    const signDigest = (digest: Buffer): Buffer => used(key.signDigest(digest));
    return { label, algorithm, uri, publicKey, attributes, sign, signDigest };
  }

  #secret(secret: HeldSecret, made: boolean): HeldSecret {
    const { label, uri, attributes } = secret;
    this.#watcher.found({ label, kind: 'Secret', uri, attributes }, made);
    const used = this.#using(uri);
    return { label, uri, attributes, hmac: (message) => used(secret.hmac(message)) };
  }

  #cipher(cipher: HeldCipher, made: boolean): HeldCipher {
    const { label, uri, attributes } = cipher;
    this.#watcher.found({ label, kind: 'Cipher', uri, attributes }, made);
    const used = this.#using(uri);
    return {
      label,
      uri,
      attributes,
      encrypt: (...input) => used(cipher.encrypt(...input)),
      decrypt: (...input) => used(cipher.decrypt(...input)),
    };
  }

  #using(uri: string): (result: Buffer) => Buffer {
    return (result) => {
      this.#watcher.used(uri);
      return result;
    };
  }
}
