// SPDX-License-Identifier: Apache-2.0
import type { AttesterKeys, Credential, PcrQuote } from './root-of-trust/attester.ts';
import type { KeyEvidence } from './key-evidence.ts';
import type { ModuleKeyName } from './key-port.ts';
import type { Requester } from './port.ts';

export type { AttesterKeys, Credential, KeyEvidence, PcrQuote };

export interface QuoteRequest {
  /** What the quote must hold, 1 to 64 octets. */
  readonly nonce: Buffer;
  /** PCRs of the SHA-256 bank. */
  readonly pcrs: readonly number[];
}

/** The node's own keys: the one that issues certificates, and the one that signs tokens. */
export const NODE_KEYS = ['Issuer', 'Token'] as const;
export type NodeKey = (typeof NODE_KEYS)[number];

/** Asks for evidence of a key of the node's own, or of the one that a module has on the token. */
export type KeyEvidenceRequest = {
  /** What the evidence must hold, 1 to 64 octets: proof that it was made after it was asked for. */
  readonly nonce: Buffer;
} & ({ readonly key: NodeKey } | { readonly key: ModuleKeyName; readonly requester: Requester });

/** What the notary proves of the machine and of its keys, with the node's TPM. */
export interface AttestationNotary {
  /** Throws NotFound where there is no TPM, and what the TPM throws. */
  attesterKeys(): Promise<AttesterKeys>;
  /** Throws KeyUnfit where the credential was made for other keys. */
  activateCredential(credential: Credential): Promise<Buffer>;
  quote(request: QuoteRequest): Promise<PcrQuote>;
  /** Throws NotFound where a module has no such key, and what its token throws. */
  keyEvidence(request: KeyEvidenceRequest): Promise<KeyEvidence>;
}
