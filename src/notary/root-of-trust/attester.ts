// SPDX-License-Identifier: Apache-2.0

/** Public halves of the keys by which a TPM is known. */
export interface AttesterKeys {
  /** TPMT_PUBLIC. */
  readonly endorsementKey: Buffer;
  /** DER, from NV; undefined where the maker put none there. */
  readonly endorsementCertificate?: Buffer;
  /** TPMT_PUBLIC. */
  readonly attestationKey: Buffer;
}

/** A secret that only the TPM of an endorsement key gives, and only while a certain key is loaded in it. */
export interface Credential {
  /** TPMS_ID_OBJECT. */
  readonly blob: Buffer;
  /** TPM2B_ENCRYPTED_SECRET without its length. */
  readonly encryptedSecret: Buffer;
}

/** What a TPM says of PCRs of the SHA-256 bank, signed by the attestation key. */
export interface PcrQuote {
  /** TPMS_ATTEST and TPMT_SIGNATURE as they left the TPM. */
  readonly attest: Buffer;
  readonly signature: Buffer;
  readonly pcrs: readonly { readonly index: number; readonly sha256: string }[];
}

/** What the TPM gives back while a PCR is as it was: blobs of the TPM's own, base64. */
export interface SealedSecret {
  readonly publicArea: string;
  readonly privateArea: string;
  readonly pcr: number;
}

/** A TPM that proves what the machine booted. */
export interface Attester {
  keys(): AttesterKeys;
  activate(credential: Credential): Buffer;
  quote(nonce: Buffer, pcrs: readonly number[]): PcrQuote;
  /** Makes these SHA-256 digests, and nothing else, the content of a PCR. */
  measure(pcr: number, digests: readonly Buffer[]): void;
  /** Seals up to 128 octets to the present value of a PCR of the SHA-256 bank; the caller wipes them. */
  seal(secret: Buffer, pcr: number): SealedSecret;
  /** Throws PermissionDenied where the PCR has another value, KeyUnfit where another TPM sealed it. */
  unseal(sealed: SealedSecret): Buffer;
  close(): void;
}
