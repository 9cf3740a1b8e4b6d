// SPDX-License-Identifier: Apache-2.0

import type { TpmEvidence } from '../key-evidence.ts';
import type { Attester } from './attester.ts';

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

/** What the root of trust says of a key, as read back and not as asked for; names as in PKCS#11. */
export interface KeyAttributes {
  /** Its value cannot be read in the clear. */
  readonly sensitive: boolean;
  /** It can leave in wrapped form. */
  readonly extractable: boolean;
  readonly neverExtractable: boolean;
  /** It was made there and not brought there. */
  readonly local: boolean;
}

/** Something secret that lives in the root of trust and cannot leave. */
interface Held {
  readonly label: string;
  /** RFC 7512 `pkcs11:` URI, or `tpm:` or `software:` with place and label; never holds a PIN. */
  readonly uri: string;
  readonly attributes: KeyAttributes;
}

/** A key pair. */
export interface HeldKey extends Held {
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** ECDSA (DER `ECDSA-Sig-Value`) or RSASSA-PKCS1-v1_5 over the SHA-2 digest that fits the key, of `message`. */
  sign(message: Buffer): Buffer;
  /** The same for a digest that the asker computed: of the length that the key's SHA-2 gives. */
  signDigest(digest: Buffer): Buffer;
}

/** What is known of a key pair without its private half. */
export type PublicHalf = Pick<HeldKey, 'algorithm' | 'publicKey'>;

/** A symmetric key for message authentication and for deriving others. */
export interface HeldSecret extends Held {
  /** HMAC-SHA256 of `message`, computed in the root of trust: 32 octets. */
  hmac(message: Buffer): Buffer;
}

/** An AES-256 key. */
export interface HeldCipher extends Held {
  /** AES-256-GCM (NIST SP 800-38D) with a 96-bit `iv`, never used twice with one key; ends with the 128-bit tag. */
  encrypt(iv: Buffer, aad: Buffer, plaintext: Buffer): Buffer;
  /** The reverse. Throws InvalidRequest where the tag does not fit key, `iv`, `aad` and ciphertext. */
  decrypt(iv: Buffer, aad: Buffer, ciphertext: Buffer): Buffer;
}

/** Whether a secret must have been made in the root of trust, or may have been brought there by `importSecret`. */
export type SecretOrigin = 'Generated' | 'Imported';

/** What can lie under a label; each kind has labels of its own. */
export type HeldKind = 'KeyPair' | 'Secret' | 'Cipher';

/** A place where keys live. Calls are synchronous: the notary is a process of its own and does nothing else. */
export interface RootOfTrust {
  readonly token: TokenDescription;
  /** Finds the key pair with this label; undefined if there is none. Throws KeyUnfit if its attributes are not as demanded. */
  find(label: string): HeldKey | undefined;
  /**
   * Finds a key pair that was made beforehand, by its `pkcs11:` URI and the public half that is known of it. It need not
   * have been made there, but must not be able to leave. Throws NotFound, KeyUnfit, and InvalidConfiguration where this
   * kind of root of trust has no such URIs.
   */
  findExisting(uri: string, publicHalf: PublicHalf): HeldKey;
  /** Makes a key pair: sensitive, not extractable, private, persistent. Throws MechanismMissing, TokenFull. */
  generate(label: string, algorithm: KeyAlgorithm): HeldKey;
  /** Destroys both halves of the key pair with this label; nothing happens if there is none. */
  destroy(label: string): void;
  /** Finds the secret with this label; undefined if there is none. Throws KeyUnfit as `find`, and for another origin. */
  findSecret(label: string, origin?: SecretOrigin): HeldSecret | undefined;
  /** Makes a secret of 256 bits. Throws MechanismMissing, TokenFull. */
  generateSecret(label: string): HeldSecret;
  /**
   * Brings a symmetric key of 16 to 64 octets in, such as a DPS enrolment's. From then on it cannot leave; the caller
   * wipes `value`. Throws MechanismMissing, TokenFull.
   */
  importSecret(label: string, value: Buffer): HeldSecret;
  destroySecret(label: string): void;
  /** Finds the AES key with this label; undefined if there is none. Throws KeyUnfit as `find`. */
  findCipher(label: string): HeldCipher | undefined;
  /** Makes an AES-256 key. Throws MechanismMissing (a TPM has no AES-GCM), TokenFull. */
  generateCipher(label: string): HeldCipher;
  destroyCipher(label: string): void;
  /** Labels of all that is held of one kind, of key pairs unless told, each once, sorted. */
  labels(kind?: HeldKind): readonly string[];
  /** Where it can attest what the machine booted. */
  readonly attester?: Attester;
  /** Statements about where the key pair with this label lives, where it can make some. Throws NotFound. */
  certify?(label: string, nonce: Buffer): TpmEvidence;
  /** Ends the session. Keys found before may no longer be used. */
  close(): void;
}
