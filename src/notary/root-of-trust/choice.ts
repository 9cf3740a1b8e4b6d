// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Fields } from '../fields.ts';

/** A token behind a PKCS#11 library. */
export interface Pkcs11Place {
  /** Absolute path inside the notary's container. */
  readonly library: string;
  readonly tokenLabel?: string;
  readonly tokenSerial?: string;
  readonly slot?: number;
  /** Absolute path of a file that holds the PIN. */
  readonly pinFile: string;
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

/** One root of trust; exactly one member. */
export type RootChoice = { readonly pkcs11: Pkcs11Place } | { readonly tpm: TpmChoice };

const [FIRST_PERSISTENT, LAST_OWNER_PERSISTENT] = [0x81000000, 0x817fffff];

/** Reads one from outside. Throws InvalidConfiguration that names the field. */
export function decodeRootChoice(fields: Fields): RootChoice {
  const given = (['pkcs11', 'tpm'] as const).filter((kind) => fields.has(kind));
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    const found = given.length === 0 ? 'none' : given.join(' and ');
    const expected = 'exactly one of pkcs11, tpm';
    throw new KeysteadError('InvalidConfiguration', `configuration.rootOfTrust: expected ${expected}, found ${found}`);
  }
  if (kind === 'tpm') return { tpm: decodeTpm(fields.object('tpm')) };
  return { pkcs11: decodePkcs11(fields.object('pkcs11')) };
}

function decodePkcs11(fields: Fields): Pkcs11Place {
  return {
    library: fields.path('library'),
    ...(fields.has('tokenLabel') && { tokenLabel: fields.string('tokenLabel', 128) }),
    ...(fields.has('tokenSerial') && { tokenSerial: fields.string('tokenSerial', 64) }),
    ...(fields.has('slot') && { slot: fields.integer('slot', 0, 2 ** 32 - 1) }),
    pinFile: fields.path('pinFile'),
  };
}

function decodeTpm(fields: Fields): TpmChoice {
  if (fields.has('device') === fields.has('socket')) {
    const message = 'configuration.rootOfTrust.tpm: expected exactly one of device, socket';
    throw new KeysteadError('InvalidConfiguration', message);
  }
  return {
    ...(fields.has('device') && { device: fields.path('device') }),
    ...(fields.has('socket') && { socket: fields.path('socket') }),
    ...(fields.has('ownerAuthFile') && { ownerAuthFile: fields.path('ownerAuthFile') }),
    ...(fields.has('endorsementAuthFile') && { endorsementAuthFile: fields.path('endorsementAuthFile') }),
    ...(fields.has('keyAuthFile') && { keyAuthFile: fields.path('keyAuthFile') }),
    storageHandle: fields.integer('storageHandle', FIRST_PERSISTENT, LAST_OWNER_PERSISTENT),
  };
}
