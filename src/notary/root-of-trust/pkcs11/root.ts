// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { SIGNATURE_ALGORITHMS } from '../../../issue/signature-algorithm.ts';
import { checkSecretLength } from '../port-checks.ts';
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
} from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import { existingKeyOf, findExistingKey } from './existing-key.ts';
import { Pkcs11Key } from './key.ts';
import type { KeyOwner } from './key-owner.ts';
import { TOKEN_ALGORITHMS } from './key-algorithm.ts';
import { findKeyPair, type KeyPairObjects } from './key-objects.ts';
import { forPurpose, requireMechanisms } from './mechanism.ts';
import { destroyAll, findObjects, labelsOf, type Template } from './objects.ts';
import { Pkcs11Cipher, Pkcs11HmacKey } from './secret.ts';
import { SecretStore } from './secret-store.ts';
import { TokenSession, type SessionOptions, type TokenOperation } from './session.ts';

export interface Pkcs11RootOptions extends SessionOptions {
  readonly owner: KeyOwner;
}

/** A PKCS#11 token as root of trust. */
export class Pkcs11Root implements RootOfTrust {
  readonly token: TokenDescription;
  readonly #session: TokenSession;
  readonly #owner: KeyOwner;
  readonly #secrets: SecretStore;
  readonly #ciphers: SecretStore;

  /** Opens the token and logs in; throws as `TokenSession` does. */
  constructor(options: Pkcs11RootOptions) {
    this.#session = new TokenSession(options);
    this.#owner = options.owner;
    this.#secrets = new SecretStore(this.#session, this.#owner, 'Secret');
    this.#ciphers = new SecretStore(this.#session, this.#owner, 'Cipher');
    const { label, serial, manufacturer, model } = this.#session.token;
    this.token = { kind: 'PKCS11', label, serial, manufacturer, model, library: options.library.path };
  }

  find(label: string): HeldKey | undefined {
    const find: TokenOperation<KeyPairObjects | undefined> = (...place) => findKeyPair(...place, label);
    const found = this.#session.run(find);
    if (!found) return undefined;
    this.#owner.check(found.id, label);
    return this.#proven({ ...found, label }, find);
  }

  findExisting(uri: string, half: PublicHalf): HeldKey {
    const wanted = existingKeyOf(uri, this.token);
    const find = (cryptoki: Cryptoki, session: Handle): ReturnType<typeof findExistingKey> =>
      findExistingKey(cryptoki, session, wanted, half);
    return this.#proven(this.#session.run(find), find);
  }

  generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    this.#requireMechanisms(algorithm);
    forPurpose(algorithm, () =>
      this.#session.runOnce((cryptoki, session) => {
        if (findKeyPair(cryptoki, session, label)) {
          throw new KeysteadError('Internal', `a key ${JSON.stringify(label)} is on the token already`);
        }
        // A public half alone is what a crash in the middle of an earlier generation leaves.
        destroyAll(cryptoki, session, { label, owner: this.#owner, objects: publicKeys(cryptoki, session, label) });
        generatePair(cryptoki, session, { label, algorithm, id: this.#owner.newId() });
      }),
    );
    return this.#fitOrDestroyed(label);
  }

  destroy(label: string): void {
    this.#session.run((cryptoki, session) => {
      const objects = [...privateKeys(cryptoki, session, label), ...publicKeys(cryptoki, session, label)];
      destroyAll(cryptoki, session, { label, owner: this.#owner, objects });
    });
  }

  findSecret(label: string, origin: SecretOrigin = 'Generated'): HeldSecret | undefined {
    const found = this.#secrets.find(label, origin);
    return found && new Pkcs11HmacKey(this.#session, this.token, 'Secret', found);
  }

  generateSecret(label: string): HeldSecret {
    return new Pkcs11HmacKey(this.#session, this.token, 'Secret', this.#secrets.generate(label));
  }

  importSecret(label: string, value: Buffer): HeldSecret {
    checkSecretLength(value);
    return new Pkcs11HmacKey(this.#session, this.token, 'Secret', this.#secrets.create(label, value));
  }

  destroySecret(label: string): void {
    this.#secrets.destroy(label);
  }

  findCipher(label: string): HeldCipher | undefined {
    const found = this.#ciphers.find(label, 'Generated');
    return found && new Pkcs11Cipher(this.#session, this.token, 'Cipher', found);
  }

  generateCipher(label: string): HeldCipher {
    return new Pkcs11Cipher(this.#session, this.token, 'Cipher', this.#ciphers.generate(label));
  }

  destroyCipher(label: string): void {
    this.#ciphers.destroy(label);
  }

  labels(kind: HeldKind = 'KeyPair'): readonly string[] {
    if (kind === 'Secret') return this.#secrets.labels();
    if (kind === 'Cipher') return this.#ciphers.labels();
    return this.#session.run((cryptoki, session) => labelsOf(cryptoki, session, pairTemplate(CK.CKO_PRIVATE_KEY)));
  }

  close(): void {
    this.#session.close();
  }

  #proven(found: KeyPairObjects & { label: string }, again: TokenOperation<KeyPairObjects | undefined>): HeldKey {
    const key = new Pkcs11Key(this.#session, this.token, found, again);
    provePair(key);
    return key;
  }

  #requireMechanisms(algorithm: KeyAlgorithm): void {
    const { generation, signing } = TOKEN_ALGORITHMS[algorithm];
    requireMechanisms(this.#session.offer(), [generation, signing], algorithm);
  }

  #fitOrDestroyed(label: string): HeldKey {
    try {
      const key = this.find(label);
      if (key) return key;
      throw new KeysteadError('TokenFailed', `the token has not kept the key ${JSON.stringify(label)} it just made`);
    } catch (thrown) {
      if (thrown instanceof KeysteadError && thrown.code === 'KeyUnfit') this.destroy(label);
      throw thrown;
    }
  }
}

function generatePair(
  cryptoki: Cryptoki,
  session: Handle,
  key: { readonly label: string; readonly algorithm: KeyAlgorithm; readonly id: Buffer },
): void {
  const { keyType, generation, parameters } = TOKEN_ALGORITHMS[key.algorithm];
  const common = [
    { type: CK.CKA_TOKEN, value: true },
    { type: CK.CKA_KEY_TYPE, value: keyType },
    { type: CK.CKA_LABEL, value: key.label },
    { type: CK.CKA_ID, value: key.id },
  ];
  const publicTemplate = [...common, { type: CK.CKA_VERIFY, value: true }, ...parameters];
  const privateTemplate = [
    ...common,
    { type: CK.CKA_PRIVATE, value: true },
    { type: CK.CKA_SENSITIVE, value: true },
    { type: CK.CKA_EXTRACTABLE, value: false },
    { type: CK.CKA_SIGN, value: true },
  ];
  cryptoki.C_GenerateKeyPair(session, { mechanism: generation.number }, publicTemplate, privateTemplate);
}

function privateKeys(cryptoki: Cryptoki, session: Handle, label: string): Handle[] {
  return findObjects(cryptoki, session, pairTemplate(CK.CKO_PRIVATE_KEY, label));
}

function publicKeys(cryptoki: Cryptoki, session: Handle, label: string): Handle[] {
  return findObjects(cryptoki, session, pairTemplate(CK.CKO_PUBLIC_KEY, label));
}

function pairTemplate(objectClass: number, label?: string): Template {
  return [
    { type: CK.CKA_CLASS, value: objectClass },
    { type: CK.CKA_TOKEN, value: true },
    ...(label === undefined ? [] : [{ type: CK.CKA_LABEL, value: label }]),
  ];
}

/** Signs a random text and verifies it: the public object could have been planted beside another private key. */
function provePair(key: HeldKey): void {
  const challenge = randomBytes(32);
  const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
  if (!verify(SIGNATURE_ALGORITHMS[key.algorithm].digest, challenge, publicKey, key.sign(challenge))) {
    const found = 'halves that do not belong together';
    throw new KeysteadError(
      'KeyUnfit',
      `key ${JSON.stringify(key.label)}: expected a pair, found ${found}; destroy it`,
    );
  }
}
