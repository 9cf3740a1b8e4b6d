// SPDX-License-Identifier: Apache-2.0

export type KeyAlgorithm = 'EC-P256' | 'EC-P384' | 'RSA-2048' | 'RSA-3072' | 'RSA-4096';

/** What a token says of itself. */
export interface TokenDescription {
  readonly kind: 'PKCS11' | 'TPM' | 'Software';
  readonly label: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly library: string;
}

/** A key that lives in the root of trust. Its private part cannot leave. */
export interface HeldKey {
  readonly label: string;
  readonly algorithm: KeyAlgorithm;
  /** RFC 7512 `pkcs11:` URI, or the TPM's persistent handle; never holds a PIN. */
  readonly uri: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** As read back from the token, not as asked for. */
  readonly attributes: {
    readonly sensitive: boolean;
    readonly extractable: boolean;
    readonly neverExtractable: boolean;
    readonly local: boolean;
  };
  /** ECDSA (DER `ECDSA-Sig-Value`) or RSASSA-PKCS1-v1_5 over the SHA-2 digest that fits the key, of `message`. */
  sign(message: Buffer): Buffer;
}

/** A place where keys live. Calls are synchronous: the notary is a process of its own and does nothing else. */
export interface RootOfTrust {
  readonly token: TokenDescription;
  /** Finds the key pair with this label; undefined if there is none. Throws KeyUnfit if its attributes are not as demanded. */
  find(label: string): HeldKey | undefined;
  /** Makes a key pair: sensitive, not extractable, private, persistent. Throws MechanismMissing, TokenFull. */
  generate(label: string, algorithm: KeyAlgorithm): HeldKey;
  /** Destroys both halves of the key pair with this label; nothing happens if there is none. */
  destroy(label: string): void;
  /** Labels of all key pairs whose private half is on the token, each once, sorted. */
  labels(): readonly string[];
  /** Ends the session. Keys found before may no longer be used. */
  close(): void;
}
