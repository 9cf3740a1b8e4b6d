// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { parseAttest } from './attest.ts';
import { TPM_ALG, TPM_ST } from './constants.ts';
import type { Entity } from './framing.ts';
import { hasAttributes, type Creation } from './objects.ts';
import { nameOf, parsePublic, publicKeyInfo } from './public-area.ts';
import { checkNonce, verifySigned, type SignedAttest } from './quote.ts';
import type { Tpm } from './tpm.ts';
import { sized, u16 } from './writer.ts';

/** TPM2_Certify: the attestation key states that `key` is loaded in the same TPM. */
export function certifyKey(tpm: Tpm, key: Entity, attestationKey: Entity, nonce: Buffer): SignedAttest {
  const input = Buffer.concat([sized(nonce), u16(TPM_ALG.null)]);
  const { parameters } = tpm.execute('Certify', { handles: [key, attestationKey], parameters: input });
  return { attest: parameters.sized(), signature: parameters.rest() };
}

/** TPM2_CertifyCreation: the attestation key states that this TPM made `key`, with this creation data. */
export function certifyCreation(
  tpm: Tpm,
  key: Entity,
  attestationKey: Entity,
  about: { readonly nonce: Buffer; readonly creation: Creation },
): SignedAttest {
  const { hash, ticket } = about.creation;
  const input = Buffer.concat([sized(about.nonce), sized(hash), u16(TPM_ALG.null), ticket]);
  const { parameters } = tpm.execute('CertifyCreation', { handles: [attestationKey, key], parameters: input });
  return { attest: parameters.sized(), signature: parameters.rest() };
}

export interface ResidencyExpectation {
  /** TPMT_PUBLIC of the attestation key. */
  readonly attestationKey: Buffer;
  readonly nonce: Buffer;
  /** TPMT_PUBLIC of the key that is to live in the TPM. */
  readonly publicArea: Buffer;
}

/**
 * Verifies a statement of TPM2_Certify or TPM2_CertifyCreation: the key was made in the TPM of the attestation key and
 * cannot leave it. Gives its SubjectPublicKeyInfo. Throws AttestationDenied.
 */
export function verifyResidency(evidence: SignedAttest, expected: ResidencyExpectation): Buffer {
  verifySigned(evidence, expected.attestationKey);
  const attest = parseAttest(evidence.attest);
  if (attest.type === TPM_ST.attestQuote) throw denied('NotACertification: found a quote');
  checkNonce(attest.extraData, expected.nonce);
  const area = parsePublic(expected.publicArea, 'AttestationDenied');
  if (!attest.name.equals(nameOf(expected.publicArea, area.nameAlgorithm))) {
    throw denied('KeyMismatch: found a statement about another key');
  }
  const needed = ['fixedTpm', 'fixedParent', 'sensitiveDataOrigin'] as const;
  const missing = needed.filter((bit) => !hasAttributes(area, bit));
  if (missing.length > 0) throw denied(`KeyNotResident: expected ${needed.join(', ')}, found no ${missing.join(', ')}`);
  return publicKeyInfo(area);
}

function denied(message: string): KeysteadError {
  return new KeysteadError('AttestationDenied', message);
}
