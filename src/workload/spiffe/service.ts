// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { KeysteadError } from '../../errors.ts';
import type { SpiffeWorkloadAPI } from '../../gen/spiffe/workload_pb.js';
import type { CallContext, Implementation } from '../../grpc/server.ts';
import { NotOffered } from '../../grpc/status.ts';
import type { Caller, ServedIdentity } from '../port.ts';
import { requireSecurityHeader } from './header.ts';
import { podStream, type PodStreamParts } from './pod-stream.ts';
import { x509Bundles, x509Svids } from './x509-messages.ts';

/** Calls of one pod that may be open at a time; a stream is one. */
const CALLS_PER_POD = 512;

export interface SpiffeServiceParts extends PodStreamParts {
  /** The process behind a call; undefined where its connection has ended. */
  caller(peer: string): Caller | undefined;
  /** Trust anchors, PEM. */
  bundle(): string;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** The SPIFFE Workload API: the X.509-SVID profile. The other profiles answer Unimplemented (section 7). */
export class SpiffeService {
  readonly #parts: SpiffeServiceParts;
  readonly #open = new Map<string, number>();

  constructor(parts: SpiffeServiceParts) {
    this.#parts = parts;
  }

  /** Streams and calls that are open now, for metrics. */
  get calls(): number {
    return [...this.#open.values()].reduce((sum, count) => sum + count, 0);
  }

  handlers(): Implementation<typeof SpiffeWorkloadAPI> {
    const parts = this.#parts;
    const unary = (): Promise<never> => Promise.reject(notOffered());
    return {
      fetchX509SVID: (_request, context) =>
        this.#follow(context, (served, { identity }) =>
          x509Svids({ served, first: identity, bundle: parts.bundle(), now: parts.now() }),
        ),
      fetchX509Bundles: (_request, context) =>
        this.#follow(context, (served) => x509Bundles({ served, bundle: parts.bundle() })),
      fetchJWTSVID: unary,
      validateJWTSVID: unary,
      fetchJWTBundles: refusingStream,
      fetchWITSVID: refusingStream,
      fetchWITBundles: refusingStream,
    };
  }

  /** Sends what `message` makes of the pod's identities, whenever that differs from what was sent last. */
  async *#follow<T>(
    context: CallContext,
    message: (served: readonly ServedIdentity[], caller: Caller) => T,
  ): AsyncGenerator<T, void> {
    requireSecurityHeader(context);
    const caller = this.#parts.caller(context.peer);
    if (caller === undefined) throw new KeysteadError('PermissionDenied', 'CallerGone: the connection has ended');
    const leave = this.#enter(caller.podUid);
    try {
      let last: T | undefined;
      for await (const served of podStream(caller, context.signal, this.#parts)) {
        const next = message(served, caller);
        if (last !== undefined && isDeepStrictEqual(next, last)) continue;
        last = next;
        yield next;
      }
    } finally {
      leave();
    }
  }

  #enter(podUid: string): () => void {
    const before = this.#open.get(podUid) ?? 0;
    if (before >= CALLS_PER_POD) {
      throw new KeysteadError('Unavailable', `this pod has ${before} calls open, the most that it may; end some first`);
    }
    this.#open.set(podUid, before + 1);
    return () => {
      const left = (this.#open.get(podUid) ?? 1) - 1;
      if (left === 0) this.#open.delete(podUid);
      else this.#open.set(podUid, left);
    };
  }
}

function notOffered(): NotOffered {
  return new NotOffered('This node issues X.509-SVIDs only; JWT-SVIDs and WIT-SVIDs are not offered.');
}

/** An async generator by hand: it has nothing to yield. */
function refusingStream(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(notOffered()) }) };
}
