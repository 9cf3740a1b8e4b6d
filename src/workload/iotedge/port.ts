// SPDX-License-Identifier: Apache-2.0
import type { HubKeySource } from '../../notary/hub-port.ts';
import type { Caller } from '../port.ts';
import type { KeyId } from './parameters.ts';

/** What a module is in IoT Edge's terms. */
export interface HubModule {
  /** Name of the ModuleIdentity, in the pod's namespace. */
  readonly identity: string;
  readonly namespace: string;
  readonly moduleId: string;
  readonly generationId: string;
  /** Where its keys come from. */
  readonly keys: HubKeySource;
}

export interface HubCertificate {
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  /** PEM, leaf first. */
  readonly chain: string;
  /** Milliseconds since the Unix epoch. */
  readonly notAfter: number;
}

/** How a module runs, in IoT Edge's words, which tell an end with exit code 0 (`stopped`) from others (`failed`). */
export interface ModuleRun {
  readonly status: 'running' | 'stopped' | 'failed' | 'unknown';
  /** Of this run, or of the last one where it has ended. RFC 3339. */
  readonly startTime?: string;
  /** How its last run ended. */
  readonly exit?: { readonly code: number; readonly time: string };
}

/** One entry of `GET /modules`. */
export interface ListedModule {
  readonly moduleId: string;
  readonly image: string;
  readonly run: ModuleRun;
}

/** What the API needs of the rest of the agent. All may throw KeysteadError. */
export interface IotEdgePorts {
  /** The identities of the caller's pod that have this API on; those that may not just now are left out. */
  modules(caller: Caller): readonly HubModule[];
  sign(caller: Caller, module: HubModule, keyId: KeyId, data: Buffer): Promise<Buffer>;
  encrypt(caller: Caller, module: HubModule, iv: Buffer, plaintext: Buffer): Promise<Buffer>;
  decrypt(caller: Caller, module: HubModule, iv: Buffer, ciphertext: Buffer): Promise<Buffer>;
  /** For a name that the identity was granted. */
  serverCertificate(caller: Caller, module: HubModule, commonName: string): Promise<HubCertificate>;
  identityCertificate(caller: Caller, module: HubModule): Promise<HubCertificate>;
  /** Trust anchors, PEM; empty while they are not known. */
  bundle(): string;
  /** The modules of the caller's namespace on this node. */
  list(caller: Caller): readonly ListedModule[];
}
