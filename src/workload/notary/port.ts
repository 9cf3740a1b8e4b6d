// SPDX-License-Identifier: Apache-2.0
import type { KeyEvidence } from '../../notary/attestation-port.ts';
import type { ModuleKeyName, Signature, SignRequest } from '../../notary/key-port.ts';
import type { IssuedCertificate, Requester } from '../../notary/port.ts';
import type { Caller } from '../port.ts';

/** For which identity of the caller's pod something is asked. */
export interface Asked {
  readonly caller: Caller;
  /** Name of the ModuleIdentity. */
  readonly identity: string;
  readonly requester: Requester;
}

export interface CipherQuestion extends Asked {
  /** Plaintext or ciphertext. */
  readonly text: Buffer;
  readonly additionalData: Buffer;
}

export interface CertificationQuestion extends Asked {
  /** PKCS#10, DER. */
  readonly certificationRequest: Buffer;
  /** Undefined: what the identity's own certificates have. */
  readonly lifetimeSeconds: number | undefined;
}

export interface EvidenceQuestion {
  readonly key: ModuleKeyName;
  readonly requester: Requester;
  readonly nonce: Buffer;
}

/** What the Notary API needs of the rest of the agent. All may reject with a KeysteadError. */
export interface NotaryApiPorts {
  sign(request: SignRequest): Promise<Signature>;
  evidence(question: EvidenceQuestion): Promise<KeyEvidence>;
  encrypt(question: CipherQuestion): Promise<Buffer>;
  decrypt(question: CipherQuestion): Promise<Buffer>;
  issue(question: CertificationQuestion): Promise<IssuedCertificate>;
}
