// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { SIGNATURE_ALGORITHMS } from '../../../issue/signature-algorithm.ts';
import type { HeldKey, KeyAlgorithm, RootOfTrust, TokenDescription } from '../port.ts';
import { maker } from './capability.ts';
import { certifyCreation, certifyKey } from './certification.ts';
import { hex32 } from '../../../tpm/constants.ts';
import type { Entity } from './framing.ts';
import { KeyFolder, type StoredKey } from './key-folder.ts';
import { algorithmOf, checkedAttributes, keyTemplate, requireAlgorithm } from './key-template.ts';
import { create, load, readPublic, signDigest, type TpmObject } from './objects.ts';
import { encodePublic, publicKeyInfo } from '../../../tpm/public-area.ts';
import type { SignedAttest } from '../../../tpm/verify-quote.ts';
import { refusalOf } from './response-codes.ts';
import { findStoragePrimary, STORAGE_HANDLE, storagePrimary, type StorageOptions } from './storage-primary.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY } from '../../../tpm/writer.ts';

export interface TpmRootOptions {
  readonly tpm: Tpm;
  /** Existing folder for the key blobs, writable by the notary alone. */
  readonly folder: string;
  readonly storage?: StorageOptions;
  /** Authorisation value of all keys; empty unless told. A wrong one counts towards the lockout. */
  readonly keyAuth?: Buffer;
}

/** A key as it stays loaded between two signatures; void when the TPM's epoch has passed. */
interface Loaded {
  readonly label: string;
  readonly object: TpmObject;
  readonly epoch: number;
}

/**
 * A TPM 2.0 as root of trust. Keys lie in the state folder, each encrypted by the TPM's storage primary; there is no
 * limit to their number. Of the TPM's few slots one at most is kept: that of the key that signed last.
 */
export class TpmRoot implements RootOfTrust {
  readonly token: TokenDescription;
  readonly #tpm: Tpm;
  readonly #keys: KeyFolder;
  readonly #auth: Buffer;
  readonly #storageHandle: number;
  #parent: TpmObject;
  #parentEpoch: number;
  #loaded: Loaded | undefined;

  /** Finds or makes the storage primary. Throws as the TPM does. */
  constructor(options: TpmRootOptions) {
    this.#tpm = options.tpm;
    this.#keys = new KeyFolder(options.folder);
    this.#auth = options.keyAuth ?? EMPTY;
    this.#storageHandle = options.storage?.handle ?? STORAGE_HANDLE;
    this.#parent = storagePrimary(options.tpm, options.storage);
    this.#parentEpoch = options.tpm.epoch;
    const { manufacturer, model, firmware, revision } = maker(options.tpm);
    this.token = {
      kind: 'TPM',
      label: hex32(this.#storageHandle),
      // A TPM has no serial number that all makers fill in; the storage key's name is as unique.
      serial: this.#parent.name.toString('hex', 2, 18),
      manufacturer,
      model: [model, firmware].filter(Boolean).join(' '),
      library: `TPM 2.0 revision ${revision} at ${options.tpm.place}`,
    };
  }

  find(label: string): HeldKey | undefined {
    const stored = this.#keys.read(label);
    if (!stored) return undefined;
    // Loading proves that both halves belong together and to this TPM; the attributes are those that it reads back.
    const { area } = this.#use(label, ({ handle }) => readPublic(this.#tpm, handle));
    const algorithm = algorithmOf(area);
    return {
      label,
      algorithm,
      uri: `tpm:parent=${hex32(this.#storageHandle)};object=${encodeURIComponent(label)}`,
      publicKey: publicKeyInfo(area),
      attributes: checkedAttributes(label, area),
      sign: (message) => this.#sign(label, algorithm, message),
    };
  }

  generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    requireAlgorithm(this.#tpm, algorithm);
    if (this.#keys.read(label)) {
      throw new KeysteadError('Internal', `a key ${JSON.stringify(label)} is in the state folder already`);
    }
    this.#unload();
    const template = encodePublic(keyTemplate(label, algorithm, this.#auth.length > 0));
    const parent = this.#currentParent();
    const { publicArea, privateArea, creation } = create(this.#tpm, parent, template, { auth: this.#auth });
    const created = new Date().toISOString();
    this.#keys.write({ label, parent: parent.name, publicArea, privateArea, creation, created });
    const key = this.find(label);
    if (key) return key;
    throw new KeysteadError(
      'TokenFailed',
      `the state folder has not kept the key ${JSON.stringify(label)} it just took`,
    );
  }

  /**
   * Removes the blob, without which the key cannot be loaded. A TPM cannot forget a blob: a copy of the file that was
   * made before stays usable in this TPM until it is cleared.
   */
  destroy(label: string): void {
    if (this.#loaded?.label === label) this.#unload();
    this.#keys.remove(label);
  }

  labels(): readonly string[] {
    return this.#keys.labels();
  }

  /** TPM2_CertifyCreation and TPM2_Certify of a key by an attestation key, for whoever wants proof of where it lives. */
  certify(
    label: string,
    attestationKey: Entity,
    nonce: Buffer,
  ): { readonly publicArea: Buffer; readonly presence: SignedAttest; readonly creation: SignedAttest } {
    const { creation } = this.#stored(label);
    return this.#use(label, (object) => ({
      publicArea: object.publicArea,
      presence: certifyKey(this.#tpm, object, attestationKey, nonce),
      creation: certifyCreation(this.#tpm, object, attestationKey, { nonce, creation }),
    }));
  }

  close(): void {
    this.#unload();
    this.#tpm.close();
  }

  #sign(label: string, algorithm: KeyAlgorithm, message: Buffer): Buffer {
    const digest = hash(SIGNATURE_ALGORITHMS[algorithm].digest, message, 'buffer');
    return this.#use(label, (object) => signDigest(this.#tpm, object, digest).octets);
  }

  /** Runs with the key loaded; once more where someone else flushed it from the TPM. */
  #use<T>(label: string, run: (object: TpmObject) => T): T {
    const wasLoaded = this.#loaded?.label === label;
    try {
      return run(this.#load(label));
    } catch (thrown) {
      const gone = refusalOf(thrown) === 'TPM_RC_HANDLE' || refusalOf(thrown) === 'TPM_RC_REFERENCE_H0';
      if (!gone || !wasLoaded) throw thrown;
      this.#loaded = undefined;
      return run(this.#load(label));
    }
  }

  #load(label: string): TpmObject {
    const present = this.#loaded;
    if (present?.label === label && present.epoch === this.#tpm.epoch) return present.object;
    this.#unload();
    const stored = this.#stored(label);
    const parent = this.#currentParent();
    if (!stored.parent.equals(parent.name))
      throw cleared(this.#tpm, `key ${JSON.stringify(label)} of another storage key`);
    const object = load(this.#tpm, parent, stored, this.#auth);
    this.#loaded = { label, object, epoch: this.#tpm.epoch };
    return object;
  }

  #stored(label: string): StoredKey {
    const stored = this.#keys.read(label);
    if (stored) return stored;
    throw new KeysteadError('NotFound', `key ${JSON.stringify(label)} was destroyed`);
  }

  #unload(): void {
    const present = this.#loaded;
    this.#loaded = undefined;
    if (present?.epoch === this.#tpm.epoch) this.#tpm.release(present.object.handle);
  }

  /** The storage primary; looked up again after the connection broke, as another TPM may answer now. */
  #currentParent(): TpmObject {
    if (this.#parentEpoch === this.#tpm.epoch) return this.#parent;
    const found = findStoragePrimary(this.#tpm, this.#storageHandle);
    if (!found?.name.equals(this.#parent.name)) {
      throw cleared(this.#tpm, found ? 'another storage key' : `nothing at ${hex32(this.#storageHandle)}`);
    }
    this.#parent = found;
    this.#parentEpoch = this.#tpm.epoch;
    return found;
  }
}

function cleared(tpm: Tpm, found: string): KeysteadError {
  const expected = 'the storage key under which the keys were made';
  const remedy = 'the TPM was cleared or exchanged: its keys are gone, enrol the device anew';
  return new KeysteadError('KeyUnfit', `TPM at ${tpm.place}: expected ${expected}, found ${found}; ${remedy}`);
}
