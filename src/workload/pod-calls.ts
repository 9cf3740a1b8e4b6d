// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { KeysteadError } from '../errors.ts';
import type { CallContext } from '../grpc/server.ts';
import type { OpenCalls } from './open-calls.ts';
import { podStream, requireHeld, type PodStreamParts } from './pod-stream.ts';
import type { Caller, ServedIdentity } from './port.ts';
import { requireSecurityHeader } from './spiffe/header.ts';

export interface PodCallsParts extends PodStreamParts {
  readonly calls: Pick<OpenCalls, 'enter'>;
  /** The process behind a call; undefined where its connection has ended. */
  caller(peer: string): Caller | undefined;
}

/** Who calls, and the identities of his pod as they are now. */
export interface PodCall {
  readonly caller: Caller;
  readonly served: readonly ServedIdentity[];
}

/** What all gRPC services on the pods' sockets have in common: header, attestation of the caller, limits. */
export class PodCalls {
  readonly #parts: PodCallsParts;

  constructor(parts: PodCallsParts) {
    this.#parts = parts;
  }

  /** The caller's identities now and after each change; for a service that has no security header. */
  async *each(context: CallContext): AsyncGenerator<PodCall, void> {
    const caller = this.#connected(context);
    const leave = this.#parts.calls.enter(caller.podUid);
    try {
      for await (const served of podStream(caller, context.signal, this.#parts)) yield { caller, served };
    } finally {
      leave();
    }
  }

  /** Counts a call that asks nothing of an identity; gives what to call at its end. */
  enter(context: CallContext): () => void {
    return this.#parts.calls.enter(this.#connected(context).podUid);
  }

  /** Sends what `message` makes of the pod's identities, whenever that differs from what was sent last. */
  async *follow<T>(context: CallContext, message: (call: PodCall) => T): AsyncGenerator<T, void> {
    requireSecurityHeader(context);
    let last: T | undefined;
    for await (const call of this.each(context)) {
      const next = message(call);
      if (last !== undefined && isDeepStrictEqual(next, last)) continue;
      last = next;
      yield next;
    }
  }

  /**
   * Answers once, as soon as the caller's identities are known. An answer that took until they were withdrawn is given to
   * nobody: what was issued then, after all else was revoked, nobody would revoke.
   */
  async once<T>(context: CallContext, answer: (call: PodCall) => T): Promise<Awaited<T>> {
    requireSecurityHeader(context);
    for await (const call of this.each(context)) {
      const answered = await answer(call);
      requireHeld(call.served, this.#parts.standing(call.caller.podUid));
      return answered;
    }
    throw new KeysteadError('Unavailable', 'the call was given up');
  }

  #connected(context: CallContext): Caller {
    const caller = this.#parts.caller(context.peer);
    if (caller !== undefined) return caller;
    throw new KeysteadError('PermissionDenied', 'CallerGone: the connection has ended');
  }
}
