// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { hex32, TPM_ALG, TPM_ECC, TPMA_OBJECT } from '../../../tpm/constants.ts';
import { createPrimary, findPublic, type TpmObject } from './objects.ts';
import { hasAttributes } from '../../../tpm/public-area.ts';
import { persist } from './persistent.ts';
import { encodePublic, type PublicArea } from '../../../tpm/public-area.ts';
import type { Tpm } from './tpm.ts';
import { EMPTY } from '../../../tpm/writer.ts';

/** Where the storage root key lives (TCG TPM v2.0 Provisioning Guidance, 7.8). */
export const STORAGE_HANDLE = 0x81000001;

export interface StorageOptions {
  /** Persistent handle; `STORAGE_HANDLE` unless told. */
  readonly handle?: number;
  /** Which key to make where there is none: P-256 unless told (fast); RSA for services that want an RSA key. */
  readonly algorithm?: 'EC-P256' | 'RSA-2048';
}

const COMMON = {
  nameAlgorithm: TPM_ALG.sha256,
  attributes:
    TPMA_OBJECT.fixedTpm |
    TPMA_OBJECT.fixedParent |
    TPMA_OBJECT.sensitiveDataOrigin |
    TPMA_OBJECT.userWithAuth |
    TPMA_OBJECT.noDictionaryAttack |
    TPMA_OBJECT.restricted |
    TPMA_OBJECT.decrypt,
  policy: EMPTY,
  symmetric: { algorithm: TPM_ALG.aes, bits: 128, mode: TPM_ALG.cfb },
  scheme: undefined,
} as const;

/** The templates H-1 and H-2 without policy, as the Provisioning Guidance 7.5.1 wants the storage root key. */
export const STORAGE_TEMPLATES: Readonly<Record<'EC-P256' | 'RSA-2048', PublicArea>> = {
  'EC-P256': { ...COMMON, type: TPM_ALG.ecc, curve: TPM_ECC.p256, x: Buffer.alloc(32), y: Buffer.alloc(32) },
  'RSA-2048': { ...COMMON, type: TPM_ALG.rsa, bits: 2048, exponent: 0, modulus: Buffer.alloc(256) },
};

/** The storage primary, if there is one. Throws KeyUnfit where the handle holds something else. */
export function findStoragePrimary(tpm: Tpm, handle: number = STORAGE_HANDLE): TpmObject | undefined {
  const found = findPublic(tpm, handle);
  if (!found) return undefined;
  const needed = ['fixedTpm', 'fixedParent', 'sensitiveDataOrigin', 'restricted', 'decrypt'] as const;
  if (found.area.type !== TPM_ALG.keyedHash && hasAttributes(found.area, ...needed)) return found;
  const expected = 'a storage key that was made in this TPM and cannot leave it';
  const remedy = 'configure another handle; Keystead never evicts a key that it did not make';
  throw new KeysteadError(
    'KeyUnfit',
    `TPM handle ${hex32(handle)}: expected ${expected}, found another object; ${remedy}`,
  );
}

/**
 * The storage primary under which keys are kept; made and persisted where the handle is free. From then on all sessions
 * are salted with it.
 */
export function storagePrimary(tpm: Tpm, options: StorageOptions = {}): TpmObject {
  const handle = options.handle ?? STORAGE_HANDLE;
  const found = findStoragePrimary(tpm, handle) ?? makePrimary(tpm, handle, options.algorithm ?? 'EC-P256');
  tpm.saltWith({ entity: found, area: found.area });
  return found;
}

function makePrimary(tpm: Tpm, handle: number, algorithm: 'EC-P256' | 'RSA-2048'): TpmObject {
  const made = createPrimary(tpm, tpm.owner, encodePublic(STORAGE_TEMPLATES[algorithm]));
  return tpm.withTransient(made, (object) => persist(tpm, object, handle));
}
