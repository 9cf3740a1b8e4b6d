// SPDX-License-Identifier: Apache-2.0
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import type { StateFolder } from '../../state-folder.ts';
import { checkSecretLength, noExistingKeys } from '../port-checks.ts';
import type {
  HeldCipher,
  HeldKey,
  HeldKind,
  HeldSecret,
  KeyAlgorithm,
  RootOfTrust,
  SecretOrigin,
  TokenDescription,
} from '../port.ts';
import { KeyStore } from './key-store.ts';
import { softwareCipher, softwareKey, softwareSecret } from './keys.ts';
import { newVault, openVault, type Vault } from './vault.ts';

const VAULT = 'vault';
const SECRET_BYTES = 32;
const CURVES = { 'EC-P256': 'P-256', 'EC-P384': 'P-384' } as const;

export interface SoftwareRootOptions {
  /** Folder of the key files, writable by the notary alone. */
  readonly folder: StateFolder;
  /** What the keys are encrypted under at rest. The caller wipes it. */
  readonly passphrase: Buffer;
}

/**
 * Keys in files, for nodes that have neither a token nor a TPM; never taken unless asked for by name. At rest they are
 * encrypted under a passphrase. That protects a stolen disk where the passphrase is not on it, and nothing else.
 */
export class SoftwareRoot implements RootOfTrust {
  readonly token: TokenDescription;
  readonly #vault: Vault;
  readonly #store: KeyStore;

  /** Throws PinRejected for another passphrase than the first, KeyUnfit for a damaged folder. */
  constructor({ folder, passphrase }: SoftwareRootOptions) {
    const { vault, document } = opened(folder, passphrase);
    this.#vault = vault;
    this.#store = new KeyStore(folder, vault);
    this.token = {
      kind: 'Software',
      label: 'software',
      serial: createHash('sha256').update(JSON.stringify(document)).digest('hex').slice(0, 32),
      manufacturer: 'Keystead',
      model: 'encrypted files',
      library: `OpenSSL ${process.versions.openssl}`,
    };
  }

  find(label: string): HeldKey | undefined {
    const file = this.#store.find('KeyPair', label);
    const algorithm = file?.algorithm;
    return file && algorithm && this.#store.use(file, (pkcs8) => softwareKey(file, algorithm, pkcs8));
  }

  findExisting(): HeldKey {
    throw noExistingKeys(this.token);
  }

  generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    const { privateKey, publicKey } = generatePair(algorithm);
    this.#store.add({ label, kind: 'KeyPair', origin: 'Generated', algorithm, publicKey }, privateKey);
    return this.find(label) ?? notKept(label);
  }

  destroy(label: string): void {
    this.#store.remove('KeyPair', label);
  }

  findSecret(label: string, origin: SecretOrigin = 'Generated'): HeldSecret | undefined {
    const file = this.#store.find('Secret', label);
    if (file && origin === 'Generated' && file.origin !== origin) {
      const found = 'one that was brought there';
      throw new KeysteadError(
        'KeyUnfit',
        `key ${JSON.stringify(label)}: expected a key made here, found ${found}; destroy it`,
      );
    }
    return file && this.#store.use(file, (value) => softwareSecret(file, value));
  }

  generateSecret(label: string): HeldSecret {
    this.#store.add({ label, kind: 'Secret', origin: 'Generated' }, randomBytes(SECRET_BYTES));
    return this.findSecret(label) ?? notKept(label);
  }

  importSecret(label: string, value: Buffer): HeldSecret {
    checkSecretLength(value);
    this.#store.add({ label, kind: 'Secret', origin: 'Imported' }, Buffer.from(value));
    return this.findSecret(label, 'Imported') ?? notKept(label);
  }

  destroySecret(label: string): void {
    this.#store.remove('Secret', label);
  }

  findCipher(label: string): HeldCipher | undefined {
    const file = this.#store.find('Cipher', label);
    return file && this.#store.use(file, (value) => softwareCipher(file, value));
  }

  generateCipher(label: string): HeldCipher {
    this.#store.add({ label, kind: 'Cipher', origin: 'Generated' }, randomBytes(SECRET_BYTES));
    return this.findCipher(label) ?? notKept(label);
  }

  destroyCipher(label: string): void {
    this.#store.remove('Cipher', label);
  }

  labels(kind: HeldKind = 'KeyPair'): readonly string[] {
    return this.#store.labels(kind);
  }

  close(): void {
    this.#vault.close();
  }
}

function opened(folder: StateFolder, passphrase: Buffer): { vault: Vault; document: unknown } {
  const present = vaultDocument(folder);
  if (present !== undefined) return { vault: openVault(present, passphrase), document: present };
  if (folder.names().length > 0) {
    const found = `software keys in ${folder.path} without the file ${VAULT}.json that opens them`;
    throw new KeysteadError('KeyUnfit', `${found}; restore it, or empty the folder to start over`);
  }
  const made = newVault(passphrase);
  folder.write(VAULT, made.document);
  return made;
}

function vaultDocument(folder: StateFolder): unknown {
  try {
    return folder.read(VAULT);
  } catch (cause) {
    const found = `${VAULT}.json in ${folder.path} is unreadable`;
    throw new KeysteadError('KeyUnfit', `${found}; restore it, or empty the folder to start over`, { cause });
  }
}

function generatePair(algorithm: KeyAlgorithm): { privateKey: Buffer; publicKey: Buffer } {
  const publicKeyEncoding = { type: 'spki', format: 'der' } as const;
  const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const;
  if (algorithm === 'EC-P256' || algorithm === 'EC-P384') {
    return generateKeyPairSync('ec', { namedCurve: CURVES[algorithm], publicKeyEncoding, privateKeyEncoding });
  }
  const modulusLength = Number(algorithm.slice('RSA-'.length));
  return generateKeyPairSync('rsa', { modulusLength, publicKeyEncoding, privateKeyEncoding });
}

function notKept(label: string): never {
  throw new KeysteadError('TokenFailed', `the state folder has not kept the key ${JSON.stringify(label)}`);
}
