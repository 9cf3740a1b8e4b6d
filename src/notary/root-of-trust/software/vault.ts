// SPDX-License-Identifier: Apache-2.0
import { randomBytes, scryptSync } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { Fields } from '../../fields.ts';
import { gcmDecrypt, gcmEncrypt, IV_BYTES } from './gcm.ts';

const FORMAT = 1;
const KEY_BYTES = 32;
/** 32 MiB and some 100 ms a guess (RFC 7914); the notary's container has 192 MiB. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const WRAPPING = Buffer.from('keystead software vault');
const MAX_SALT_BYTES = 64;
export const MAX_SEALED_BYTES = 8192;

/**
 * The key under which software keys lie on disk. It is random and lies beside them, encrypted under a key that is derived
 * from a passphrase, so that another passphrase is one file's matter. It is in this process's memory while the root of
 * trust is open: at rest the keys are protected by the passphrase, in use by nothing but this process's own borders.
 */
export class Vault {
  readonly #key: Buffer;
  #open = true;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** IV, ciphertext and tag, bound to `context`. */
  seal(plaintext: Buffer, context: Buffer): Buffer {
    return sealed(this.#opened(), plaintext, context);
  }

  /** The reverse; the caller wipes it. Undefined where it was not sealed so. */
  unseal(octets: Buffer, context: Buffer): Buffer | undefined {
    return unsealed(this.#opened(), octets, context);
  }

  /** Wipes the key: nothing is sealed or unsealed any more. */
  close(): void {
    this.#open = false;
    this.#key.fill(0);
  }

  #opened(): Buffer {
    if (this.#open) return this.#key;
    throw new KeysteadError('Internal', 'the software root of trust is closed');
  }
}

/** Makes a vault; the document is to be kept before anything is sealed. */
export function newVault(passphrase: Buffer): { vault: Vault; document: unknown } {
  const [key, salt] = [randomBytes(KEY_BYTES), randomBytes(KEY_BYTES)];
  const wrapped = withDerived(passphrase, salt, (wrapping) => sealed(wrapping, key, WRAPPING));
  const document = { format: FORMAT, salt: salt.toString('base64'), key: wrapped.toString('base64') };
  return { vault: new Vault(key), document };
}

/** Opens a vault. Throws PinRejected for another passphrase, KeyUnfit for what is no such document. */
export function openVault(document: unknown, passphrase: Buffer): Vault {
  const fields = new Fields(document, 'software vault', 'KeyUnfit');
  fields.integer('format', FORMAT, FORMAT);
  const [salt, wrapped] = [fields.bytes('salt', MAX_SALT_BYTES), fields.bytes('key', MAX_SEALED_BYTES)];
  const key = withDerived(passphrase, salt, (wrapping) => unsealed(wrapping, wrapped, WRAPPING));
  if (key?.length === KEY_BYTES) return new Vault(key);
  const remedy = 'put the passphrase back that they were made with; without it the software keys are lost';
  throw new KeysteadError('PinRejected', `the passphrase does not open the software keys of this node; ${remedy}`);
}

function withDerived<T>(passphrase: Buffer, salt: Buffer, use: (key: Buffer) => T): T {
  const key = scryptSync(passphrase, salt, KEY_BYTES, COST);
  try {
    return use(key);
  } finally {
    key.fill(0);
  }
}

function sealed(key: Buffer, plaintext: Buffer, context: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES);
  return Buffer.concat([iv, gcmEncrypt(key, iv, context, plaintext)]);
}

function unsealed(key: Buffer, octets: Buffer, context: Buffer): Buffer | undefined {
  if (octets.length < IV_BYTES) return undefined;
  return gcmDecrypt(key, octets.subarray(0, IV_BYTES), context, octets.subarray(IV_BYTES));
}
