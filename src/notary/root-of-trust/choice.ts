// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Fields } from '../fields.ts';
import { pkcs11Place } from './pkcs11/place.ts';

/** A token behind a PKCS#11 library. What is given must match; library and PIN file may stand in the URI instead. */
export interface Pkcs11Choice {
  /** Absolute path inside the notary's container. */
  readonly library?: string;
  readonly tokenLabel?: string;
  readonly tokenSerial?: string;
  readonly slot?: number;
  /** RFC 7512; names a token. Never with a PIN. */
  readonly uri?: string;
  /** Absolute path of a file that holds the PIN; where the chart puts it unless told. */
  readonly pinFile?: string;
  /** Whether the PIN is sealed by the TPM that attests once it was accepted. */
  readonly sealPin?: boolean;
}

/** A TPM 2.0, at a device node or at the unix socket of a software TPM. */
export interface TpmChoice {
  readonly device?: string;
  readonly socket?: string;
  /** Files with authorisation values; where there is none it is empty. */
  readonly ownerAuthFile?: string;
  readonly endorsementAuthFile?: string;
  /** Authorisation value of the keys that are made. */
  readonly keyAuthFile?: string;
  /** Persistent handle of the storage key. */
  readonly storageHandle: number;
}

/** Keys in files, encrypted under a passphrase. */
export interface SoftwareChoice {
  readonly passphraseFile: string;
}

/** A TPM that attests beside another root of trust. */
export type AttesterPlace = Pick<TpmChoice, 'device' | 'socket' | 'endorsementAuthFile'>;

/** One root of trust; exactly one member. */
export type RootChoice =
  { readonly pkcs11: Pkcs11Choice } | { readonly tpm: TpmChoice } | { readonly software: SoftwareChoice };

/** The root of trust of the node's own keys, and another for those of modules where it is not the same. */
export type RootsChoice = RootChoice & { readonly modules?: RootChoice };

const MAX_URI_CHARACTERS = 2048;
const KINDS = ['pkcs11', 'tpm', 'software'] as const;

const [FIRST_PERSISTENT, LAST_OWNER_PERSISTENT] = [0x81000000, 0x817fffff];

/** Reads them from outside. Throws InvalidConfiguration that names the field. */
export function decodeRootsChoice(fields: Fields): RootsChoice {
  const modules = fields.has('modules') ? decodeRootChoice(fields.object('modules')) : undefined;
  return { ...decodeRootChoice(fields), ...(modules && { modules }) };
}

function decodeRootChoice(fields: Fields): RootChoice {
  const given = KINDS.filter((kind) => fields.has(kind));
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    const found = given.length === 0 ? 'none' : given.join(' and ');
    const expected = `exactly one of ${KINDS.join(', ')}`;
    throw new KeysteadError('InvalidConfiguration', `configuration.rootOfTrust: expected ${expected}, found ${found}`);
  }
  if (kind === 'software') return { software: { passphraseFile: fields.object(kind).path('passphraseFile') } };
  if (kind === 'tpm') return { tpm: decodeTpm(fields.object('tpm')) };
  return { pkcs11: decodePkcs11(fields.object('pkcs11')) };
}

function decodePkcs11(fields: Fields): Pkcs11Choice {
  const choice = {
    ...(fields.has('library') && { library: fields.path('library') }),
    ...(fields.has('tokenLabel') && { tokenLabel: fields.string('tokenLabel', 128) }),
    ...(fields.has('tokenSerial') && { tokenSerial: fields.string('tokenSerial', 64) }),
    ...(fields.has('slot') && { slot: fields.integer('slot', 0, 2 ** 32 - 1) }),
    ...(fields.has('uri') && { uri: fields.secretString('uri', MAX_URI_CHARACTERS) }),
    ...(fields.has('pinFile') && { pinFile: fields.path('pinFile') }),
    ...(fields.has('sealPin') && { sealPin: fields.boolean('sealPin') }),
  };
  pkcs11Place(choice);
  return choice;
}

function decodeTpm(fields: Fields): TpmChoice {
  return {
    ...decodeAttesterPlace(fields, 'configuration.rootOfTrust.tpm'),
    ...(fields.has('ownerAuthFile') && { ownerAuthFile: fields.path('ownerAuthFile') }),
    ...(fields.has('keyAuthFile') && { keyAuthFile: fields.path('keyAuthFile') }),
    storageHandle: fields.integer('storageHandle', FIRST_PERSISTENT, LAST_OWNER_PERSISTENT),
  };
}

/** Reads where a TPM is. Throws InvalidConfiguration that names the field; `path` is the object's own name. */
export function decodeAttesterPlace(fields: Fields, path: string): AttesterPlace {
  if (fields.has('device') === fields.has('socket')) {
    throw new KeysteadError('InvalidConfiguration', `${path}: expected exactly one of device, socket`);
  }
  return {
    ...(fields.has('device') && { device: fields.path('device') }),
    ...(fields.has('socket') && { socket: fields.path('socket') }),
    ...(fields.has('endorsementAuthFile') && { endorsementAuthFile: fields.path('endorsementAuthFile') }),
  };
}
