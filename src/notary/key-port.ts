// SPDX-License-Identifier: Apache-2.0
import type { CertificateRequest, IssuedCertificate, Requester } from './port.ts';
import type { KeyAlgorithm } from './root-of-trust/port.ts';

/** Names the key of one module on this node. */
export interface ModuleKeyName {
  /** UID of the ModuleIdentity: a later one of the same name gets another key. */
  readonly identityUid: string;
  /** Counts the identity's keys, from 1. */
  readonly generation: number;
}

/** Asks for a certificate for the module's key on the token, which is made where there is none. */
export type IssueForKeyRequest = Omit<CertificateRequest, 'publicKey'> & { readonly key: ModuleKeyName };

export type IssuedForKey = IssuedCertificate & ModulePublicKey;

/** Asks for the public half of the module's key on the token, which is made where there is none. */
export interface ModuleKeyRequest {
  readonly key: ModuleKeyName;
  readonly requester: Requester;
}

export interface ModulePublicKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly keyUri: string;
}

/** Asks for a certificate for a key that the module made itself. */
export type IssueFromRequestRequest = Omit<CertificateRequest, 'publicKey' | 'byModule'> & {
  /** PKCS#10, DER. Its names must be among `spiffeId` and `dnsNames`; where it has none it gets all of them. */
  readonly certificationRequest: Buffer;
};

/** `message` is what is signed, at most 32 KiB; `digest` its SHA-256 where the asker has computed it. */
export type SignRequest = { readonly key: ModuleKeyName; readonly requester: Requester } & (
  { readonly message: Buffer } | { readonly digest: Buffer }
);

export interface Signature {
  /** DER `ECDSA-Sig-Value`. */
  readonly signature: Buffer;
  readonly algorithm: KeyAlgorithm;
  readonly keyUri: string;
}

/** What the notary does with the keys of modules. */
export interface KeyNotary {
  /** Obtains the key, then issues for it. Throws TokenFull, KeyUnfit, MechanismMissing and what `issue` throws. */
  issueForKey(request: IssueForKeyRequest): Promise<IssuedForKey>;
  issueFromRequest(request: IssueFromRequestRequest): Promise<IssuedCertificate>;
  /** Throws NotFound where the module has no such key. */
  signWithKey(request: SignRequest): Promise<Signature>;
  /** Destroys both halves; nothing happens where there are none. */
  destroyKey(key: ModuleKeyName): Promise<void>;
  /** The keys of modules that are on the token. */
  moduleKeys(): Promise<readonly ModuleKeyName[]>;
}
