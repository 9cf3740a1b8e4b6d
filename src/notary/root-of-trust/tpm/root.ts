// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { SIGNATURE_ALGORITHMS } from '../../../issue/signature-algorithm.ts';
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
import type { TpmEvidence } from '../../key-evidence.ts';
import { maker } from './capability.ts';
import { certifyCreation, certifyKey } from './certification.ts';
import { hex32 } from '../../../tpm/constants.ts';
import { withAttestationKey } from './attestation-key.ts';
import { ATTESTATION_ALGORITHM, TpmAttester } from './attester.ts';
import { hmacWith } from './hmac.ts';
import { KeyFolder } from './key-folder.ts';
import { KeyLoader, storedIn } from './key-loader.ts';
import {
  algorithmOf,
  checkedAttributes,
  isSecret,
  keyTemplate,
  requireAlgorithm,
  secretTemplate,
} from './key-template.ts';
import { readPublic, signDigest } from './objects.ts';
import { publicKeyInfo } from '../../../tpm/public-area.ts';
import type { SignedAttest } from '../../../tpm/verify-quote.ts';
import type { StorageOptions } from './storage-primary.ts';
import type { Tpm } from './tpm.ts';

export interface TpmRootOptions {
  readonly tpm: Tpm;
  /** Existing folder for the key blobs, writable by the notary alone. */
  readonly folder: string;
  readonly storage?: StorageOptions;
  /** Authorisation value of all keys; empty unless told. A wrong one counts towards the lockout. */
  readonly keyAuth?: Buffer;
}

/**
 * A TPM 2.0 as root of trust. Keys lie in the state folder, each encrypted by the TPM's storage primary; there is no
 * limit to their number. Of the TPM's few slots one at most is kept: that of the key that was used last.
 */
export class TpmRoot implements RootOfTrust {
  readonly token: TokenDescription;
  readonly attester: TpmAttester;
  readonly #tpm: Tpm;
  readonly #keys: KeyFolder;
  readonly #secrets: KeyFolder;
  readonly #loader: KeyLoader;

  /** Finds or makes the storage primary. Throws as the TPM does. */
  constructor(options: TpmRootOptions) {
    this.#tpm = options.tpm;
    this.attester = new TpmAttester(options.tpm, { makeRoom: () => this.#loader.unload() });
    this.#keys = new KeyFolder(options.folder, '.tpm-key');
    this.#secrets = new KeyFolder(options.folder, '.tpm-secret');
    this.#loader = new KeyLoader(options.tpm, options.storage, options.keyAuth);
    const { manufacturer, model, firmware, revision } = maker(options.tpm);
    this.token = {
      kind: 'TPM',
      label: hex32(this.#loader.storageHandle),
      // A TPM has no serial number that all makers fill in; the storage key's name is as unique.
      serial: this.#loader.parentName.toString('hex', 2, 18),
      manufacturer,
      model: [model, firmware].filter(Boolean).join(' '),
      library: `TPM 2.0 revision ${revision} at ${options.tpm.place}`,
    };
  }

  find(label: string): HeldKey | undefined {
    if (!this.#keys.read(label)) return undefined;
    // Loading proves that both halves belong together and to this TPM; the attributes are those that it reads back.
    const { area } = this.#loader.use(this.#keys, label, ({ handle }) => readPublic(this.#tpm, handle));
    const algorithm = algorithmOf(area);
    const attributes = checkedAttributes(label, area);
    const signDigest = (digest: Buffer): Buffer => this.#sign(label, digest);
    const sign = (message: Buffer): Buffer =>
      signDigest(hash(SIGNATURE_ALGORITHMS[algorithm].digest, message, 'buffer'));
    return { label, algorithm, uri: this.#uri(label), publicKey: publicKeyInfo(area), attributes, sign, signDigest };
  }

  findExisting(): HeldKey {
    throw noExistingKeys(this.token);
  }

  generate(label: string, algorithm: KeyAlgorithm): HeldKey {
    requireAlgorithm(this.#tpm, algorithm);
    this.#loader.make(this.#keys, label, keyTemplate(label, algorithm, this.#loader.hasAuth));
    return this.find(label) ?? notKept(label);
  }

  /**
   * Removes the blob, without which the key cannot be loaded. A TPM cannot forget a blob: a copy of the file that was
   * made before stays usable in this TPM until it is cleared.
   */
  destroy(label: string): void {
    this.#loader.remove(this.#keys, label);
  }

  findSecret(label: string, origin: SecretOrigin = 'Generated'): HeldSecret | undefined {
    if (!this.#secrets.read(label)) return undefined;
    const { area } = this.#loader.use(this.#secrets, label, ({ handle }) => readPublic(this.#tpm, handle));
    const attributes = checkedAttributes(label, area, origin);
    if (!isSecret(area)) throw new KeysteadError('KeyUnfit', `key ${JSON.stringify(label)}: expected an HMAC key`);
    const hmac = (message: Buffer): Buffer =>
      this.#loader.use(this.#secrets, label, (object) => hmacWith(this.#tpm, object, message));
    return { label, uri: this.#uri(label), attributes, hmac };
  }

  generateSecret(label: string): HeldSecret {
    this.#loader.make(this.#secrets, label, secretTemplate(label, 'Generated', this.#loader.hasAuth));
    return this.findSecret(label) ?? notKept(label);
  }

  importSecret(label: string, value: Buffer): HeldSecret {
    checkSecretLength(value);
    const template = secretTemplate(label, 'Imported', this.#loader.hasAuth);
    this.#loader.make(this.#secrets, label, template, { data: value });
    return this.findSecret(label, 'Imported') ?? notKept(label);
  }

  /** As `destroy`. */
  destroySecret(label: string): void {
    this.#loader.remove(this.#secrets, label);
  }

  findCipher(): undefined {
    return undefined;
  }

  generateCipher(): HeldCipher {
    const remedy = 'use a PKCS#11 token that has CKM_AES_GCM for encryption; there is no fall-back to software';
    throw new KeysteadError('MechanismMissing', `the TPM at ${this.#tpm.place} has no AES-GCM; ${remedy}`);
  }

  destroyCipher(): void {
    // There never is one.
  }

  labels(kind: HeldKind = 'KeyPair'): readonly string[] {
    if (kind === 'Cipher') return [];
    return (kind === 'Secret' ? this.#secrets : this.#keys).labels();
  }

  /** TPM2_Certify and TPM2_CertifyCreation of a key by the attestation key, for whoever wants proof of where it lives. */
  certify(label: string, nonce: Buffer): TpmEvidence {
    const { creation } = storedIn(this.#keys, label);
    const { endorsementKey, endorsementCertificate } = this.attester.keys();
    return this.#loader.use(this.#keys, label, (object) =>
      withAttestationKey(this.#tpm, ATTESTATION_ALGORITHM, (attestationKey) => {
        const made = certifyCreation(this.#tpm, object, attestationKey, { nonce, creation });
        return {
          publicArea: object.publicArea.toString('base64'),
          attestationKey: attestationKey.publicArea.toString('base64'),
          presence: encoded(certifyKey(this.#tpm, object, attestationKey, nonce)),
          creation: { ...encoded(made), data: creation.data.toString('base64') },
          endorsementKey: endorsementKey.toString('base64'),
          ...(endorsementCertificate && { endorsementCertificate: endorsementCertificate.toString('base64') }),
        };
      }),
    );
  }

  close(): void {
    this.#loader.unload();
    this.#tpm.close();
  }

  #uri(label: string): string {
    return `tpm:parent=${hex32(this.#loader.storageHandle)};object=${encodeURIComponent(label)}`;
  }

  #sign(label: string, digest: Buffer): Buffer {
    return this.#loader.use(this.#keys, label, (object) => signDigest(this.#tpm, object, digest).octets);
  }
}

function encoded({ attest, signature }: SignedAttest): { attest: string; signature: string } {
  return { attest: attest.toString('base64'), signature: signature.toString('base64') };
}

function notKept(label: string): never {
  throw new KeysteadError('TokenFailed', `the state folder has not kept the key ${JSON.stringify(label)}`);
}
