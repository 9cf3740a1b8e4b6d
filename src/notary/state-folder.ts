// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';

/**
 * The notary's durable state: small JSON documents, each replaced as a whole. After `write` returns the document
 * survives a power cut, and at every moment a reader finds the old one or the new. Synchronous on purpose: a PIN must
 * not be tried before it is on disk that it is tried.
 */
export class StateFolder {
  readonly path: string;

  /** Makes the folder where it is missing, for its owner alone. Throws InvalidConfiguration. */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (cause) {
      const found = errnoOf(cause) ?? String(cause);
      throw new KeysteadError('InvalidConfiguration', `cannot make the state folder ${path}: ${found}`, { cause });
    }
  }

  /** The document of this name; undefined where there is none. Throws SyntaxError where it is not JSON. */
  read(name: string): unknown {
    try {
      return JSON.parse(readFileSync(this.#file(name), 'utf8')) as unknown;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Throws Unavailable where the disk refuses; the old document then stays. */
  write(name: string, document: unknown): void {
    const temporary = `${this.#file(name)}.new`;
    try {
      writeSynced(temporary, JSON.stringify(document));
      renameSync(temporary, this.#file(name));
      syncFolder(this.path);
    } catch (cause) {
      const found = errnoOf(cause) ?? String(cause);
      throw new KeysteadError(
        'Unavailable',
        `cannot write ${this.#file(name)}: ${found}; free space or repair the disk`,
        {
          cause,
        },
      );
    }
  }

  /** Names of all documents, sorted. */
  names(): string[] {
    const files = readdirSync(this.path).filter((file) => file.endsWith('.json'));
    return files.map((file) => file.slice(0, -'.json'.length)).sort();
  }

  remove(name: string): void {
    rmSync(this.#file(name), { force: true });
    syncFolder(this.path);
  }

  /** Puts an unreadable document aside under a name that is not read again, for whoever looks into the matter. */
  setAside(name: string): void {
    renameSync(this.#file(name), `${this.#file(name)}.unreadable`);
  }

  #file(name: string): string {
    return join(this.path, `${name}.json`);
  }
}

function writeSynced(path: string, content: string): void {
  const file = openSync(path, 'w', 0o600);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A rename is durable only when its directory has been synced too. */
function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
