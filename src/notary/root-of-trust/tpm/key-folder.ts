// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { KeysteadError } from '../../../errors.ts';
import { errnoOf } from '../../../os/files.ts';
import type { Creation, ObjectBlob } from './objects.ts';

/** A key of the TPM as it lies in the state folder. Useless without the TPM: the private part is encrypted to it. */
export interface StoredKey extends ObjectBlob {
  readonly label: string;
  /** Name of the storage primary under which it was made. */
  readonly parent: Buffer;
  readonly creation: Creation;
  /** RFC 3339. */
  readonly created: string;
}

const VERSION = 1;
/** What a folder's files are called, so that each kind has labels of its own. */
export type KeySuffix = '.tpm-key' | '.tpm-secret';

/**
 * The folder with the key blobs, one file each, named by the digest of the label. Synchronous, as the RootOfTrust port
 * is; a file is either whole or absent, also after a power cut.
 */
export class KeyFolder {
  readonly #path: string;
  readonly #suffix: KeySuffix;

  constructor(path: string, suffix: KeySuffix = '.tpm-key') {
    this.#path = path;
    this.#suffix = suffix;
  }

  /** The key with this label; undefined if there is none. Throws KeyUnfit for a damaged file. */
  read(label: string): StoredKey | undefined {
    const file = this.#file(label);
    const text = textIfPresent(file);
    if (text === undefined) return undefined;
    const key = parseStoredKey(text, file);
    if (key.label === label) return key;
    throw damaged(file, `the key ${JSON.stringify(key.label)} under the name of another`);
  }

  write(key: StoredKey): void {
    const file = this.#file(key.label);
    const temporary = join(this.#path, `.${randomBytes(6).toString('hex')}.tmp`);
    try {
      const descriptor = openSync(temporary, 'wx', 0o600);
      try {
        writeFileSync(descriptor, encodeStoredKey(key));
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(temporary, file);
      this.#sync();
    } catch (thrown) {
      throw failed(file, thrown);
    }
  }

  remove(label: string): void {
    const file = this.#file(label);
    try {
      unlinkSync(file);
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return;
      throw failed(file, thrown);
    }
    this.#sync();
  }

  /** Labels of all keys, sorted. Throws KeyUnfit for a damaged file: it may be the one that is looked for. */
  labels(): string[] {
    return this.#files()
      .map((file) => parseStoredKey(textIfPresent(file) ?? '', file).label)
      .sort();
  }

  #files(): string[] {
    try {
      const names = readdirSync(this.#path).filter((name) => name.endsWith(this.#suffix));
      return names.map((name) => join(this.#path, name));
    } catch (thrown) {
      throw failed(this.#path, thrown);
    }
  }

  #file(label: string): string {
    return join(this.#path, `${createHash('sha256').update(label).digest('hex').slice(0, 40)}${this.#suffix}`);
  }

  /** A rename or removal is durable only when its directory has been synced too. */
  #sync(): void {
    const directory = openSync(this.#path, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }
}

function textIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw failed(file, thrown);
  }
}

function encodeStoredKey(key: StoredKey): string {
  const { label, created } = key;
  const octets = {
    parent: key.parent,
    publicArea: key.publicArea,
    privateArea: key.privateArea,
    creationData: key.creation.data,
    creationHash: key.creation.hash,
    creationTicket: key.creation.ticket,
  };
  const texts = Object.entries(octets).map(([name, value]) => [name, value.toString('base64')]);
  return `${JSON.stringify({ version: VERSION, label, created, ...Object.fromEntries(texts) }, undefined, 2)}\n`;
}

function parseStoredKey(text: string, file: string): StoredKey {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw damaged(file, 'no JSON');
  }
  const fields = new Map<string, unknown>(typeof found === 'object' && found !== null ? Object.entries(found) : []);
  if (fields.get('version') !== VERSION) throw damaged(file, `version ${String(fields.get('version'))}`);
  const string = (name: string): string => {
    const value = fields.get(name);
    if (typeof value === 'string') return value;
    throw damaged(file, `no ${name}`);
  };
  const octets = (name: string): Buffer => Buffer.from(string(name), 'base64');
  return {
    label: string('label'),
    created: string('created'),
    parent: octets('parent'),
    publicArea: octets('publicArea'),
    privateArea: octets('privateArea'),
    creation: { data: octets('creationData'), hash: octets('creationHash'), ticket: octets('creationTicket') },
  };
}

function damaged(file: string, found: string): KeysteadError {
  const remedy = 'restore it from a backup of the same machine, or remove it: the notary then makes a new key';
  return new KeysteadError(
    'KeyUnfit',
    `TPM key file ${file}: expected a key of version ${VERSION}, found ${found}; ${remedy}`,
  );
}

function failed(file: string, cause: unknown): KeysteadError {
  const found = errnoOf(cause) ?? 'an unknown error';
  const code = found === 'ENOSPC' || found === 'EDQUOT' ? 'TokenFull' : 'TokenFailed';
  return new KeysteadError(code, `TPM key file ${file}: found ${found}; check the state folder`, { cause });
}
