// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { Notary, SignatureFormat } from '../gen/keystead/notary/v1alpha1/notary_pb.js';
import { SpiffeWorkloadAPI } from '../gen/spiffe/workload_pb.js';
import type { GrpcClient } from '../grpc/client.ts';
import { DEFAULT_FOLDER, SOCKET_NAME } from './identity.ts';
import { connect } from './socket.ts';

export interface NotaryOptions {
  /** The identity volume's folder. Default `/var/run/keystead`. */
  readonly folder?: string;
  /** Name of the ModuleIdentity. Default that of the volume, or the only one. */
  readonly identity?: string;
}

export interface SignOptions {
  /** `der` for X.509, CMS and TLS; `p1363` for JOSE (ES256), COSE and WebCrypto. Default `der`. */
  readonly format?: 'der' | 'p1363';
}

const { method } = Notary;

/**
 * What a module does with keys that it does not hold: a key in the node's token, encryption with a key of the node. All methods
 * reject with a KeysteadError; `PermissionDenied` says which field of the ModuleIdentity would grant it.
 */
export class NotaryClient {
  readonly #client: GrpcClient;
  readonly #identity: string;

  constructor({ folder = DEFAULT_FOLDER, identity = '' }: NotaryOptions = {}) {
    this.#client = connect(join(folder, SOCKET_NAME));
    this.#identity = identity;
  }

  /** ECDSA with P-256 and SHA-256 over a message of at most 32 KiB. */
  async sign(message: Uint8Array, { format = 'der' }: SignOptions = {}): Promise<Buffer> {
    return this.#sign({ case: 'message', value: message }, format);
  }

  /** The same for the SHA-256 of a message. */
  async signDigest(digest: Uint8Array, { format = 'der' }: SignOptions = {}): Promise<Buffer> {
    return this.#sign({ case: 'digest', value: digest }, format);
  }

  async publicKey(): Promise<KeyObject> {
    const { key } = await this.#client.unary(method.getPublicKey, { identity: this.#identity });
    return createPublicKey({ key: Buffer.from(key?.publicKey ?? []), format: 'der', type: 'spki' });
  }

  /** At most 32 KiB; `additionalData` is authenticated and must be the same to decrypt. */
  async encrypt(plaintext: Uint8Array, additionalData: Uint8Array = new Uint8Array()): Promise<Buffer> {
    const identity = this.#identity;
    const { ciphertext } = await this.#client.unary(method.encrypt, { identity, plaintext, additionalData });
    return Buffer.from(ciphertext);
  }

  async decrypt(ciphertext: Uint8Array, additionalData: Uint8Array = new Uint8Array()): Promise<Buffer> {
    const identity = this.#identity;
    const { plaintext } = await this.#client.unary(method.decrypt, { identity, ciphertext, additionalData });
    return Buffer.from(plaintext);
  }

  /** A certificate for a key of the module's own: its PKCS#10 request in DER. Gives the chain, DER, leaf first. */
  async issueCertificate(certificationRequest: Uint8Array): Promise<Buffer[]> {
    const identity = this.#identity;
    const { chain } = await this.#client.unary(method.issueCertificate, { identity, certificationRequest });
    return chain.map((der) => Buffer.from(der));
  }

  /**
   * Evidence of where the module's key in hardware is: JSON for `keystead verify-key`. It holds `nonce`, 8 to 64 bytes that
   * whoever verifies it has chosen.
   */
  async evidence(nonce: Uint8Array): Promise<string> {
    const { statements } = await this.#client.unary(method.getEvidence, { identity: this.#identity, nonce });
    return Buffer.from(statements[0]?.content ?? []).toString('utf8');
  }

  /** A JWT-SVID for the audience. */
  async token(audience: string): Promise<string> {
    const { svids } = await this.#client.unary(SpiffeWorkloadAPI.method.fetchJWTSVID, { audience: [audience] });
    const svid = svids.find(({ hint }) => this.#identity === '' || hint === this.#identity) ?? svids[0];
    return svid?.svid ?? '';
  }

  close(): void {
    this.#client.close();
  }

  async #sign(input: { case: 'message' | 'digest'; value: Uint8Array }, format: 'der' | 'p1363'): Promise<Buffer> {
    const wire = format === 'der' ? SignatureFormat.UNSPECIFIED : SignatureFormat.P1363;
    const { signature } = await this.#client.unary(method.sign, { identity: this.#identity, input, format: wire });
    return Buffer.from(signature);
  }
}
