// SPDX-License-Identifier: Apache-2.0
import type { AttesterKeys, Credential, PcrQuote } from './root-of-trust/attester.ts';
import type { KeyEvidence } from './key-evidence.ts';

export type { AttesterKeys, Credential, KeyEvidence, PcrQuote };

export interface QuoteRequest {
  /** What the quote must hold, 1 to 64 octets. */
  readonly nonce: Buffer;
  /** PCRs of the SHA-256 bank. */
  readonly pcrs: readonly number[];
}

/** Which key: the one that issues certificates, or the one that signs tokens. */
export const EVIDENCE_KEYS = ['Issuer', 'Token'] as const;

export interface KeyEvidenceRequest {
  readonly key: (typeof EVIDENCE_KEYS)[number];
  /** What the evidence must hold, 1 to 64 octets: proof that it was made after it was asked for. */
  readonly nonce: Buffer;
}

/** What the notary proves of the machine and of its keys, with the node's TPM. */
export interface AttestationNotary {
  /** Throws NotFound where there is no TPM, and what the TPM throws. */
  attesterKeys(): Promise<AttesterKeys>;
  /** Throws KeyUnfit where the credential was made for other keys. */
  activateCredential(credential: Credential): Promise<Buffer>;
  quote(request: QuoteRequest): Promise<PcrQuote>;
  keyEvidence(request: KeyEvidenceRequest): Promise<KeyEvidence>;
}
