// SPDX-License-Identifier: Apache-2.0
import { timingSafeEqual } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { parseAttest, type ClockInfo } from './attest.ts';
import { checkAttestationKey } from './attestation-key.ts';
import { TPM_ST } from './constants.ts';
import { encodeSelection, pcrDigest, type PcrSelection, type PcrValues } from './pcr-selection.ts';
import { parsePublic, publicKeyObject } from './public-area.ts';
import { isSignatureGood, parseSignature } from './signature.ts';

/** A statement that a TPM signed, as it left the TPM. */
export interface SignedAttest {
  /** TPMS_ATTEST. */
  readonly attest: Buffer;
  /** TPMT_SIGNATURE. */
  readonly signature: Buffer;
}

export interface QuoteExpectation {
  /** TPMT_PUBLIC of the attestation key, known to be in the TPM by credential activation. */
  readonly attestationKey: Buffer;
  /** The nonce of this one challenge. */
  readonly nonce: Buffer;
  readonly selection: PcrSelection;
  /** Values that came with the quote, or that are demanded. */
  readonly values: PcrValues;
}

/** What a good quote says besides the PCRs. */
export interface QuoteFacts extends ClockInfo {
  readonly firmwareVersion: bigint;
}

/**
 * Verifies a quote in software, over the octets as they came. Throws AttestationDenied whose message starts with the
 * reason: AttestationKeyUnfit, SignatureInvalid, NotAQuote, NonceMismatch, PcrSelectionMismatch, PcrDigestMismatch.
 * Whether the reset count may have grown since the last quote is for the caller, who remembers it.
 */
export function verifyQuote(quote: SignedAttest, expected: QuoteExpectation): QuoteFacts {
  const signatureHash = verifySigned(quote, expected.attestationKey);
  const attest = parseAttest(quote.attest);
  if (attest.type !== TPM_ST.attestQuote) throw denied('NotAQuote', `attestation type 0x${attest.type.toString(16)}`);
  checkNonce(attest.extraData, expected.nonce);
  if (!encodeSelection(attest.selections).equals(encodeSelection([expected.selection]))) {
    const found = attest.selections.map(({ hash, pcrs }) => `bank 0x${hash.toString(16)}: ${pcrs.join(', ')}`);
    throw denied('PcrSelectionMismatch', found.join('; ') || 'no PCRs');
  }
  if (!attest.pcrDigest.equals(pcrDigest(signatureHash, expected.selection.pcrs, expected.values))) {
    throw denied('PcrDigestMismatch', 'PCRs with other values than these');
  }
  return { ...attest.clockInfo, firmwareVersion: attest.firmwareVersion };
}

/** Checks key and signature of any attestation; gives the digest of the signature scheme. Throws AttestationDenied. */
export function verifySigned({ attest, signature }: SignedAttest, attestationKey: Buffer): number {
  const area = parsePublic(attestationKey, 'AttestationDenied');
  checkAttestationKey(area);
  const parsed = parseSignature(signature, 'AttestationDenied');
  if (!isSignatureGood(parsed, attest, publicKeyObject(area))) {
    throw denied('SignatureInvalid', 'a signature that is not by this attestation key');
  }
  return parsed.hash;
}

/** Throws AttestationDenied (NonceMismatch) unless the attestation answers this very challenge. */
export function checkNonce(found: Buffer, expected: Buffer): void {
  // An empty nonce would take any old quote that was made without one.
  if (expected.length > 0 && found.length === expected.length && timingSafeEqual(found, expected)) return;
  throw denied('NonceMismatch', 'the answer to another challenge');
}

function denied(reason: string, found: string): KeysteadError {
  return new KeysteadError('AttestationDenied', `${reason}: found ${found}`);
}
