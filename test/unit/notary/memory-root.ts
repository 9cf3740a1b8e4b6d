// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { KeysteadError } from '../../../src/errors.ts';
import type {
  HeldCipher,
  HeldKey,
  HeldSecret,
  KeyAlgorithm,
  RootOfTrust,
  TokenDescription,
} from '../../../src/notary/root-of-trust/port.ts';
import { memorySigner } from '../issue/samples.ts';

const TAG_BYTES = 16;
const MADE = { sensitive: true, extractable: false, neverExtractable: true, local: true } as const;

/** What outlives a root that is closed: the token itself, with its keys. */
export class MemoryToken {
  readonly keys = new Map<string, HeldKey>();
  readonly secrets = new Map<string, HeldSecret>();
  readonly ciphers = new Map<string, HeldCipher>();
  readonly serial: string;
  kind: TokenDescription['kind'] = 'PKCS11';
  /** Thrown by every use, where set. */
  failure: KeysteadError | undefined;
  /** Thrown by making a key, where set. */
  generationFailure: KeysteadError | undefined;
  /** How often a key has signed. */
  signatures = 0;
  opened = 0;
  closed = 0;

  constructor(serial = '0001') {
    this.serial = serial;
  }

  open(): RootOfTrust {
    this.#check();
    this.opened++;
    const token = this.#description();
    const { keys, secrets, ciphers } = this;
    const found = <T>(held: Map<string, T>, label: string): T | undefined => {
      this.#check();
      return held.get(label);
    };
    return {
      token,
      find: (label) => found(keys, label),
      findExisting: (uri) => {
        const held = found(keys, uri.replace('pkcs11:object=', ''));
        if (!held) throw new KeysteadError('NotFound', `no key ${uri}`);
        return held;
      },
      generate: (label, algorithm) => this.#generate(label, algorithm),
      destroy: (label) => void keys.delete(label),
      findSecret: (label) => found(secrets, label),
      generateSecret: (label) => this.#secret(label, randomBytes(32), MADE),
      importSecret: (label, value) =>
        this.#secret(label, Buffer.from(value), { ...MADE, local: false, neverExtractable: false }),
      destroySecret: (label) => void secrets.delete(label),
      findCipher: (label) => found(ciphers, label),
      generateCipher: (label) => this.#cipher(label),
      destroyCipher: (label) => void ciphers.delete(label),
      labels: (kind = 'KeyPair') => [...{ KeyPair: keys, Secret: secrets, Cipher: ciphers }[kind].keys()].sort(),
      close: () => {
        this.closed++;
      },
    };
  }

  #generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    this.#checkMaking();
    const signer = memorySigner(algorithm);
    const key = {
      ...signer,
      label,
      uri: `pkcs11:object=${label}`,
      attributes: MADE,
      sign: (message: Buffer) => {
        this.#check();
        this.signatures++;
        return signer.sign(message);
      },
      signDigest: () => {
        throw new KeysteadError('MechanismMissing', 'node:crypto signs no digests; SoftHSM2 does in the contract test');
      },
    };
    this.keys.set(label, key);
    return key;
  }

  #secret(label: string, value: Buffer, attributes: HeldSecret['attributes']): HeldSecret {
    this.#checkMaking();
    const hmac = (message: Buffer): Buffer => {
      this.#check();
      return createHmac('sha256', value).update(message).digest();
    };
    const secret = { label, uri: `pkcs11:object=${label}`, attributes, hmac };
    this.secrets.set(label, secret);
    return secret;
  }

  #cipher(label: string): HeldCipher {
    this.#checkMaking();
    const key = randomBytes(32);
    const cipher: HeldCipher = {
      label,
      uri: `pkcs11:object=${label}`,
      attributes: MADE,
      encrypt: (iv, aad, plaintext) => {
        this.#check();
        const gcm = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
        return Buffer.concat([gcm.update(plaintext), gcm.final(), gcm.getAuthTag()]);
      },
      decrypt: (iv, aad, ciphertext) => {
        this.#check();
        const tag = ciphertext.subarray(-TAG_BYTES);
        const gcm = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(tag);
        try {
          return Buffer.concat([gcm.update(ciphertext.subarray(0, -TAG_BYTES)), gcm.final()]);
        } catch {
          throw new KeysteadError('InvalidRequest', 'the tag does not fit');
        }
      },
    };
    this.ciphers.set(label, cipher);
    return cipher;
  }

  #checkMaking(): void {
    this.#check();
    if (this.generationFailure) throw this.generationFailure;
  }

  #check(): void {
    if (this.failure) throw this.failure;
  }

  #description(): TokenDescription {
    const names = { label: 'memory', manufacturer: 'test', model: 'test', library: 'none' };
    return { kind: this.kind, serial: this.serial, ...names };
  }
}
