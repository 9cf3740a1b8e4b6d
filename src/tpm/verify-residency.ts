// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { parseAttest } from './attest.ts';
import { TPM_ST } from './constants.ts';
import { hasAttributes, nameOf, parsePublic, publicKeyInfo } from './public-area.ts';
import { checkNonce, verifySigned, type SignedAttest } from './verify-quote.ts';

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
