// SPDX-License-Identifier: Apache-2.0
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from '../../../tpm/constants.ts';
import { encodePublic, type PublicArea } from '../../../tpm/public-area.ts';
import { EMPTY } from '../../../tpm/writer.ts';
import type { Entity } from './framing.ts';
import { create, createPrimary, type Creation, type ObjectBlob, type TpmObject } from './objects.ts';
import type { Tpm } from './tpm.ts';

export type AttestationAlgorithm = 'EC-P256' | 'RSA-2048';

const COMMON = {
  nameAlgorithm: TPM_ALG.sha256,
  // Restricted: the TPM signs with it only what it made itself, so that no one can have a quote forged by it.
  attributes:
    TPMA_OBJECT.fixedTpm |
    TPMA_OBJECT.fixedParent |
    TPMA_OBJECT.sensitiveDataOrigin |
    TPMA_OBJECT.userWithAuth |
    TPMA_OBJECT.noDictionaryAttack |
    TPMA_OBJECT.restricted |
    TPMA_OBJECT.sign,
  policy: EMPTY,
  symmetric: undefined,
} as const;

const TEMPLATES: Readonly<Record<AttestationAlgorithm, PublicArea>> = {
  'EC-P256': {
    ...COMMON,
    type: TPM_ALG.ecc,
    scheme: { algorithm: TPM_ALG.ecdsa, hash: TPM_ALG.sha256 },
    curve: TPM_ECC.p256,
    x: EMPTY,
    y: EMPTY,
  },
  'RSA-2048': {
    ...COMMON,
    type: TPM_ALG.rsa,
    scheme: { algorithm: TPM_ALG.rsassa, hash: TPM_ALG.sha256 },
    bits: 2048,
    exponent: 0,
    modulus: EMPTY,
  },
};

/** Makes an attestation key under a storage parent; the blob is kept by the caller and loaded when needed. */
export function createAttestationKey(
  tpm: Tpm,
  parent: Entity,
  algorithm: AttestationAlgorithm = 'EC-P256',
): ObjectBlob & { readonly creation: Creation } {
  return create(tpm, parent, encodePublic(TEMPLATES[algorithm]));
}

/**
 * Runs with the attestation key that is a primary of the endorsement hierarchy: always the same, nothing to keep, and
 * flushed afterwards. Unlike those under a storage key its statements hold the true reset count and firmware version.
 */
export function withAttestationKey<T>(tpm: Tpm, algorithm: AttestationAlgorithm, run: (key: TpmObject) => T): T {
  return tpm.withTransient(createPrimary(tpm, tpm.endorsement, encodePublic(TEMPLATES[algorithm])), run);
}
