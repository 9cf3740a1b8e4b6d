// SPDX-License-Identifier: Apache-2.0
import type { NodeKey } from './attestation-port.ts';
import type { KeyAlgorithm, KeyAttributes, HeldKey, RootOfTrust, TokenDescription } from './root-of-trust/port.ts';

/** What the key does: issue certificates, sign tokens, or what its module wants. */
export type KeyPurpose = NodeKey | 'Module';

/**
 * What can be said and proven of where a key lives, as `keystead verify-key` reads it. JSON; octets are base64. What a TPM
 * has signed proves itself; all else is what the notary was told by the token.
 */
export interface KeyEvidence {
  readonly format: 1;
  readonly node: string;
  readonly trustDomain: string;
  /** RFC 3339. */
  readonly time: string;
  readonly nonce: string;
  readonly key: {
    readonly purpose: KeyPurpose;
    /** Of a module's key: the module for which it signs, as the agent says. */
    readonly owner?: string;
    readonly label: string;
    readonly uri: string;
    readonly algorithm: KeyAlgorithm;
    /** SubjectPublicKeyInfo. */
    readonly publicKey: string;
    /** As the root of trust says. */
    readonly attributes: KeyAttributes;
  };
  readonly token: TokenDescription;
  readonly tpm?: TpmEvidence;
  /** For tokens that attest keys in a way of their maker's. */
  readonly vendorAttestation?: { readonly format: string; readonly data: string };
}

/** Statements of a TPM about one of its keys. */
export interface TpmEvidence {
  /** TPMT_PUBLIC of the key and of the attestation key. */
  readonly publicArea: string;
  readonly attestationKey: string;
  /** TPM2_Certify: the key is in the TPM of the attestation key. */
  readonly presence: { readonly attest: string; readonly signature: string };
  /** TPM2_CertifyCreation: it was made there, with this creation data. */
  readonly creation: { readonly attest: string; readonly signature: string; readonly data: string };
  readonly endorsementKey?: string;
  readonly endorsementCertificate?: string;
}

export interface EvidenceQuestion {
  readonly key: HeldKey;
  readonly purpose: KeyPurpose;
  readonly owner?: string;
  readonly nonce: Buffer;
  readonly node: string;
  readonly trustDomain: string;
  readonly now: number;
}

/** Asks the root of trust for all that it can say of a key. */
export function evidenceOf(root: RootOfTrust, question: EvidenceQuestion): KeyEvidence {
  const { key, purpose, owner, nonce, node, trustDomain, now } = question;
  const { label, uri, algorithm, publicKey, attributes } = key;
  const tpm = root.certify?.(label, nonce);
  return {
    format: 1,
    node,
    trustDomain,
    time: new Date(now).toISOString(),
    nonce: nonce.toString('base64'),
    key: {
      purpose,
      ...(owner !== undefined && { owner }),
      ...{ label, uri, algorithm, publicKey: publicKey.toString('base64'), attributes },
    },
    token: root.token,
    ...(tpm && { tpm }),
  };
}
