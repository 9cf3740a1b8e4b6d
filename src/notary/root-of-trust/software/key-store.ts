// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { StateFolder } from '../../state-folder.ts';
import type { HeldKind } from '../port.ts';
import { contextOf, decodeKeyFile, encodeKeyFile, nameOf, type KeyFile } from './key-file.ts';
import type { Vault } from './vault.ts';

/** The files with the software keys, one each; the secret part is sealed by the vault. */
export class KeyStore {
  readonly #folder: StateFolder;
  readonly #vault: Vault;

  constructor(folder: StateFolder, vault: Vault) {
    this.#folder = folder;
    this.#vault = vault;
  }

  /** Undefined where there is none. Throws KeyUnfit for a damaged file. */
  find(kind: HeldKind, label: string): KeyFile | undefined {
    const file = this.#read(nameOf(kind, label));
    if (!file || (file.kind === kind && file.label === label)) return file;
    throw unfit(label, `the ${file.kind} ${JSON.stringify(file.label)} in its place`);
  }

  /** Seals the secret part, wipes it, and keeps the key. Throws Internal where there is one already. */
  add(file: Omit<KeyFile, 'sealed'>, secret: Buffer): KeyFile {
    try {
      if (this.find(file.kind, file.label)) {
        throw new KeysteadError('Internal', `a software key ${JSON.stringify(file.label)} is there already`);
      }
      const whole = { ...file, sealed: this.#vault.seal(secret, contextOf(file)) };
      this.#folder.write(nameOf(file.kind, file.label), encodeKeyFile(whole));
      return whole;
    } finally {
      secret.fill(0);
    }
  }

  /** Runs with the secret part, which is wiped afterwards. Throws KeyUnfit for an altered file. */
  use<T>(file: KeyFile, run: (secret: Buffer) => T): T {
    const secret = this.#vault.unseal(file.sealed, contextOf(file));
    if (!secret) throw unfit(file.label, 'one that was altered, or sealed by another vault');
    try {
      return run(secret);
    } finally {
      secret.fill(0);
    }
  }

  remove(kind: HeldKind, label: string): void {
    this.#folder.remove(nameOf(kind, label));
  }

  /** Sorted. Throws KeyUnfit for a damaged file: it may be the one that is looked for. */
  labels(kind: HeldKind): string[] {
    const names = this.#folder.names().filter((name) => name.startsWith(`${kind.toLowerCase()}-`));
    return names.flatMap((name) => this.#read(name)?.label ?? []).sort();
  }

  #read(name: string): KeyFile | undefined {
    const document = this.#document(name);
    return document === undefined ? undefined : decodeKeyFile(document);
  }

  #document(name: string): unknown {
    try {
      return this.#folder.read(name);
    } catch (cause) {
      throw new KeysteadError('KeyUnfit', `software key file ${name}: cannot be read; restore it or remove it`, {
        cause,
      });
    }
  }
}

function unfit(label: string, found: string): KeysteadError {
  const remedy = 'restore the file, or remove it: the notary then makes a new key';
  return new KeysteadError('KeyUnfit', `software key ${JSON.stringify(label)}: found ${found}; ${remedy}`);
}
