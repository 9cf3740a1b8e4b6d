// SPDX-License-Identifier: Apache-2.0
import { EventEmitter, once } from 'node:events';
import { createSecureContext, type SecureContext, type Server, type TlsOptions } from 'node:tls';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';
import { followFiles } from './files.ts';
import { followSocket } from './socket.ts';
import { spiffeIdOf, type IdentityState } from './state.ts';

/** Where Keystead puts a module's identity. */
export const DEFAULT_FOLDER = '/var/run/keystead';
export const SOCKET_NAME = 'spiffe.sock';

export interface OpenOptions {
  /** The identity volume's folder. Default `/var/run/keystead`. */
  readonly folder?: string;
  /** Files of the folder, or the Workload API on its socket. Default `files`. */
  readonly from?: 'files' | 'socket';
  /** Gives up the wait for the first identity. */
  readonly signal?: AbortSignal;
}

/** Whether a peer may be spoken to, by its SPIFFE ID. */
export type Authorize = (spiffeId: string) => boolean;

/** The module's identity, always the current one. Emits `change` with each IdentityState, and `error` when it cannot go on. */
export class Identity extends EventEmitter<{ change: [IdentityState]; error: [unknown] }> {
  readonly #ending = new AbortController();
  #current: IdentityState | undefined;

  /** Waits until the module is attested. */
  static async open({ folder = DEFAULT_FOLDER, from = 'files', signal }: OpenOptions = {}): Promise<Identity> {
    const identity = new Identity();
    const ending = identity.#ending.signal;
    const states = from === 'files' ? followFiles(folder, ending) : followSocket(join(folder, SOCKET_NAME), ending);
    const first = once(identity, 'change', signal && { signal });
    void identity.#follow(states);
    await first.catch((thrown: unknown) => {
      identity.close();
      throw thrown;
    });
    return identity;
  }

  get current(): IdentityState {
    if (this.#current) return this.#current;
    throw new KeysteadError('Unavailable', 'there is no identity yet');
  }

  /** For `tls.connect` and what takes its options. Throws where the key is in the token: `node:tls` takes no other signer. */
  get secureContext(): SecureContext {
    return createSecureContext(this.#keyed());
  }

  /** Options of a server that asks each client for a certificate of the trust domain. `follow` keeps them current. */
  serverOptions(): TlsOptions {
    return { ...this.#keyed(), requestCert: true, rejectUnauthorized: true };
  }

  /** Has a server use each new certificate from its next handshake on. */
  follow(server: Pick<Server, 'setSecureContext' | 'on'>): void {
    const change = (): void => server.setSecureContext(this.#keyed());
    this.on('change', change);
    server.on('close', () => this.off('change', change));
  }

  /**
   * Options for one connection to a server of the trust domain, which is verified by its SPIFFE ID in place of its host name.
   * Ask for them again for each connection.
   */
  clientOptions(authorize: Authorize): ClientOptions {
    const checkServerIdentity: ClientOptions['checkServerIdentity'] = (_host, { subjectaltname }) => {
      const spiffeId = spiffeIdOf({ subjectAltName: subjectaltname ?? '' });
      if (spiffeId !== undefined && authorize(spiffeId)) return undefined;
      return new KeysteadError('PermissionDenied', `the server is ${spiffeId ?? 'nobody with one SPIFFE ID'}`);
    };
    return { ...this.#keyed(), checkServerIdentity };
  }

  close(): void {
    this.#ending.abort();
  }

  #keyed(): { readonly key: string; readonly cert: string; readonly ca: string } {
    const { privateKey: key, chain: cert, trustAnchors: ca } = this.current;
    if (key !== undefined) return { key, cert, ca };
    const message = "the key is in the node's token, and node:tls takes no external signer; use NotaryClient.sign";
    throw new KeysteadError('MechanismMissing', message);
  }

  async #follow(states: AsyncIterable<IdentityState>): Promise<void> {
    try {
      for await (const state of states) {
        this.#current = state;
        this.emit('change', state);
      }
    } catch (thrown) {
      this.emit('error', thrown);
    }
  }
}

/** What `tls.connect` takes of an identity. */
export interface ClientOptions {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly checkServerIdentity: (
    host: string,
    certificate: { readonly subjectaltname?: string | undefined },
  ) => Error | undefined;
}
