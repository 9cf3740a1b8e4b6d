// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { hex32 } from '../../../tpm/constants.ts';
import type { KeyFolder, StoredKey } from './key-folder.ts';
import { create, load, type SensitiveInput, type TpmObject } from './objects.ts';
import { encodePublic, type PublicArea } from '../../../tpm/public-area.ts';
import { refusalOf } from './response-codes.ts';
import { findStoragePrimary, STORAGE_HANDLE, storagePrimary, type StorageOptions } from './storage-primary.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY } from '../../../tpm/writer.ts';

/** A key as it stays loaded between two uses; void when the TPM's epoch has passed. */
interface Loaded {
  readonly folder: KeyFolder;
  readonly label: string;
  readonly object: TpmObject;
  readonly epoch: number;
}

/** Makes keys under the storage primary, and loads them for use. Of the TPM's few slots one at most stays taken. */
export class KeyLoader {
  readonly tpm: Tpm;
  readonly storageHandle: number;
  readonly #auth: Buffer;
  #parent: TpmObject;
  #parentEpoch: number;
  #loaded: Loaded | undefined;

  /** Finds or makes the storage primary. `auth` is the authorisation value of all keys. */
  constructor(tpm: Tpm, storage: StorageOptions | undefined, auth: Buffer = EMPTY) {
    this.tpm = tpm;
    this.#auth = auth;
    this.storageHandle = storage?.handle ?? STORAGE_HANDLE;
    this.#parent = storagePrimary(tpm, storage);
    this.#parentEpoch = tpm.epoch;
  }

  /** Name of the storage primary. */
  get parentName(): Buffer {
    return this.#parent.name;
  }

  get hasAuth(): boolean {
    return this.#auth.length > 0;
  }

  /** Makes a key by its template and keeps it in the folder. Throws Internal where there is one already. */
  make(folder: KeyFolder, label: string, area: PublicArea, sensitive: SensitiveInput = {}): void {
    if (folder.read(label)) {
      throw new KeysteadError('Internal', `a key ${JSON.stringify(label)} is in the state folder already`);
    }
    this.unload();
    const parent = this.#currentParent();
    const made = create(this.tpm, parent, encodePublic(area), { ...sensitive, auth: this.#auth });
    folder.write({ label, parent: parent.name, ...made, created: new Date().toISOString() });
  }

  /** Runs with the key loaded; once more where someone else flushed it from the TPM. Throws NotFound. */
  use<T>(folder: KeyFolder, label: string, run: (object: TpmObject) => T): T {
    const wasLoaded = this.#isLoaded(folder, label);
    try {
      return run(this.#load(folder, label));
    } catch (thrown) {
      const gone = refusalOf(thrown) === 'TPM_RC_HANDLE' || refusalOf(thrown) === 'TPM_RC_REFERENCE_H0';
      if (!gone || !wasLoaded) throw thrown;
      this.#loaded = undefined;
      return run(this.#load(folder, label));
    }
  }

  remove(folder: KeyFolder, label: string): void {
    if (this.#isLoaded(folder, label)) this.unload();
    folder.remove(label);
  }

  unload(): void {
    const present = this.#loaded;
    this.#loaded = undefined;
    if (present?.epoch === this.tpm.epoch) this.tpm.release(present.object.handle);
  }

  #isLoaded(folder: KeyFolder, label: string): boolean {
    return this.#loaded?.label === label && this.#loaded.folder === folder;
  }

  #load(folder: KeyFolder, label: string): TpmObject {
    const present = this.#loaded;
    if (present?.epoch === this.tpm.epoch && this.#isLoaded(folder, label)) return present.object;
    this.unload();
    const stored = storedIn(folder, label);
    const parent = this.#currentParent();
    if (!stored.parent.equals(parent.name)) {
      throw cleared(this.tpm, `key ${JSON.stringify(label)} of another storage key`);
    }
    const object = load(this.tpm, parent, stored, this.#auth);
    this.#loaded = { folder, label, object, epoch: this.tpm.epoch };
    return object;
  }

  /** The storage primary; looked up again after the connection broke, as another TPM may answer now. */
  #currentParent(): TpmObject {
    if (this.#parentEpoch === this.tpm.epoch) return this.#parent;
    const found = findStoragePrimary(this.tpm, this.storageHandle);
    if (!found?.name.equals(this.#parent.name)) {
      throw cleared(this.tpm, found ? 'another storage key' : `nothing at ${hex32(this.storageHandle)}`);
    }
    this.#parent = found;
    this.#parentEpoch = this.tpm.epoch;
    return found;
  }
}

/** Throws NotFound. */
export function storedIn(folder: KeyFolder, label: string): StoredKey {
  const stored = folder.read(label);
  if (stored) return stored;
  throw new KeysteadError('NotFound', `key ${JSON.stringify(label)} was destroyed`);
}

function cleared(tpm: Tpm, found: string): KeysteadError {
  const expected = 'the storage key under which the keys were made';
  const remedy = 'the TPM was cleared or exchanged: its keys are gone, enrol the device anew';
  return new KeysteadError('KeyUnfit', `TPM at ${tpm.place}: expected ${expected}, found ${found}; ${remedy}`);
}
