// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { KeysteadError } from '../../errors.ts';
import type { SpiffeWorkloadAPI } from '../../gen/spiffe/workload_pb.js';
import type { CallContext, Implementation } from '../../grpc/server.ts';
import { NotOffered } from '../../grpc/status.ts';
import type { IssuedToken, TokenRequest } from '../../notary/port.ts';
import type { OpenCalls } from '../open-calls.ts';
import type { Caller, IdentityTerms, ServedIdentity, TrustStore } from '../port.ts';
import type { TokenContent } from './jwt-messages.ts';
import { jwtBundles, jwtSvids, validated } from './jwt-messages.ts';
import { requireSecurityHeader } from './header.ts';
import { podStream, type PodStreamParts } from './pod-stream.ts';
import { x509Bundles, x509Svids, type X509Content } from './x509-messages.ts';

export interface SpiffeServiceParts extends PodStreamParts {
  readonly calls: Pick<OpenCalls, 'enter'>;
  /** The process behind a call; undefined where its connection has ended. */
  caller(peer: string): Caller | undefined;
  readonly trust: () => TrustStore;
  readonly terms: (podUid: string, identity: string) => IdentityTerms | undefined;
  /** A JWT-SVID, from the store or new. */
  readonly token: (request: TokenRequest) => Promise<IssuedToken>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What a handler answers from: the identities of the caller's pod as they are now. */
type Content = X509Content & TokenContent;

/** The SPIFFE Workload API: the profiles of X.509-SVID and JWT-SVID. WIT-SVIDs answer Unimplemented (section 7). */
export class SpiffeService {
  readonly #parts: SpiffeServiceParts;

  constructor(parts: SpiffeServiceParts) {
    this.#parts = parts;
  }

  handlers(): Implementation<typeof SpiffeWorkloadAPI> {
    return {
      fetchX509SVID: (_request, context) => this.#follow(context, x509Svids),
      fetchX509Bundles: (_request, context) => this.#follow(context, x509Bundles),
      fetchJWTSVID: (request, context) => this.#once(context, (content) => jwtSvids(request, content)),
      fetchJWTBundles: (_request, context) => this.#follow(context, jwtBundles),
      validateJWTSVID: (request, context) => this.#once(context, (content) => validated(request, content)),
      fetchWITSVID: refusingStream,
      fetchWITBundles: refusingStream,
    };
  }

  /** The caller's content now and after each change; for a service on the same socket that has no security header. */
  async *contents(context: CallContext): AsyncGenerator<Content, void> {
    const caller = this.#connected(context);
    const leave = this.#parts.calls.enter(caller.podUid);
    try {
      for await (const served of podStream(caller, context.signal, this.#parts)) yield this.#content(caller, served);
    } finally {
      leave();
    }
  }

  /** Counts a call that asks nothing of an identity; gives what to call at its end. */
  enter(context: CallContext): () => void {
    return this.#parts.calls.enter(this.#connected(context).podUid);
  }

  /** Sends what `message` makes of the pod's identities, whenever that differs from what was sent last. */
  async *#follow<T>(context: CallContext, message: (content: Content) => T): AsyncGenerator<T, void> {
    requireSecurityHeader(context);
    let last: T | undefined;
    for await (const content of this.contents(context)) {
      const next = message(content);
      if (last !== undefined && isDeepStrictEqual(next, last)) continue;
      last = next;
      yield next;
    }
  }

  /** Answers once, as soon as the caller's identities are known. */
  async #once<T>(context: CallContext, answer: (content: Content) => T): Promise<Awaited<T>> {
    requireSecurityHeader(context);
    for await (const content of this.contents(context)) return await answer(content);
    throw new KeysteadError('Unavailable', 'the call was given up');
  }

  #connected(context: CallContext): Caller {
    const caller = this.#parts.caller(context.peer);
    if (caller !== undefined) return caller;
    throw new KeysteadError('PermissionDenied', 'CallerGone: the connection has ended');
  }

  #content({ podUid, identity }: Caller, served: readonly ServedIdentity[]): Content {
    const { trust, terms, token, now } = this.#parts;
    return { served, first: identity, now: now(), trust: trust(), terms: (name) => terms(podUid, name), token };
  }
}

/** An async generator by hand: it has nothing to yield. */
function refusingStream(): AsyncIterable<never> {
  const refused = new NotOffered('This node issues X.509-SVIDs and JWT-SVIDs; WIT-SVIDs are not offered.');
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refused) }) };
}
