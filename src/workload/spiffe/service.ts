// SPDX-License-Identifier: Apache-2.0
import type { SpiffeWorkloadAPI } from '../../gen/spiffe/workload_pb.js';
import type { CallContext, Implementation } from '../../grpc/server.ts';
import { NotOffered } from '../../grpc/status.ts';
import type { IssuedToken, TokenRequest } from '../../notary/port.ts';
import type { PodCall, PodCalls } from '../pod-calls.ts';
import type { IdentityTerms, TrustStore } from '../port.ts';
import type { TokenContent } from './jwt-messages.ts';
import { jwtBundles, jwtSvids, validated } from './jwt-messages.ts';
import { x509Bundles, x509Svids, type X509Content } from './x509-messages.ts';

export interface SpiffeServiceParts {
  readonly calls: Pick<PodCalls, 'each' | 'follow' | 'once'>;
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
    for await (const call of this.#parts.calls.each(context)) yield this.#content(call);
  }

  #follow<T>(context: CallContext, message: (content: Content) => T): AsyncGenerator<T, void> {
    return this.#parts.calls.follow(context, (call) => message(this.#content(call)));
  }

  #once<T>(context: CallContext, answer: (content: Content) => T): Promise<Awaited<T>> {
    return this.#parts.calls.once(context, (call) => answer(this.#content(call)));
  }

  #content({ caller: { podUid, identity }, served }: PodCall): Content {
    const { trust, terms, token, now } = this.#parts;
    return { served, first: identity, now: now(), trust: trust(), terms: (name) => terms(podUid, name), token };
  }
}

/** An async generator by hand: it has nothing to yield. */
function refusingStream(): AsyncIterable<never> {
  const refused = new NotOffered('This node issues X.509-SVIDs and JWT-SVIDs; WIT-SVIDs are not offered.');
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refused) }) };
}
