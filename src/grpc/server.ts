// SPDX-License-Identifier: Apache-2.0
import type {
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { methodPath } from './client.ts';
import {
  discardRequest,
  isGivenUp,
  refuseCall,
  ServerCall,
  trailersOf,
  type CallContext,
  type ServedMethod,
} from './server-call.ts';
import { NotOffered } from './status.ts';

export type { CallContext } from './server-call.ts';

/**
 * A method's handler: an async function, or an async generator where the method streams its answers; where both sides
 * stream, it is given the requests as they come.
 */
export type Handler<M> =
  M extends DescMethodUnary<infer I, infer O>
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : M extends DescMethodServerStreaming<infer I, infer O>
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : M extends DescMethodBiDiStreaming<infer I, infer O>
        ? (requests: AsyncIterable<MessageShape<I>>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
        : never;

/** A handler for every method of a service; a method that is left out answers UNIMPLEMENTED. */
export type Implementation<S extends DescService> = { readonly [K in keyof S['method']]?: Handler<S['method'][K]> };

export interface GrpcServerOptions {
  /** Longest request, bytes. Default 4 MiB, gRPC's own. */
  readonly maxRequestBytes?: number;
  /** Calls that one connection may have open. Default 1024. */
  readonly maxStreams?: number;
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const MAX_STREAMS = 1024;
/**
 * Calls a second, and in a burst, that a client may give up before its connection is ended. A client that reads one message
 * of a stream gives it up each time, and is no attacker: nghttp2's own limit of 33 a second would end its connection.
 */
const RESETS = 10_000;

/**
 * A gRPC server on Node's HTTP/2, on connections that are handed to it. It is that of grpc-js without what nothing here
 * needs (interceptors, compression, channelz, load reports), for less than half of the processor time of a call.
 */
export class GrpcServer {
  readonly #http2: Http2Server;
  readonly #methods = new Map<string, ServedMethod | undefined>();
  readonly #sessions = new Map<ServerHttp2Session, string>();
  readonly #maxRequestBytes: number;

  constructor({ maxRequestBytes = MAX_REQUEST_BYTES, maxStreams = MAX_STREAMS }: GrpcServerOptions = {}) {
    this.#maxRequestBytes = maxRequestBytes;
    const settings = { maxConcurrentStreams: maxStreams };
    this.#http2 = createServer({ settings, streamResetBurst: RESETS, streamResetRate: RESETS });
    this.#http2.on('session', (session) => this.#opened(session));
    this.#http2.on('stream', (stream, headers) => this.#called(stream, headers));
    // A peer that breaks the protocol ends its own connection, and no more.
    this.#http2.on('sessionError', () => undefined);
  }

  /** Serves a service: `addService(Identity, { async probe() { return {}; } })`. What a handler throws becomes a status. */
  addService<S extends DescService>(service: S, implementation: Implementation<S>): void {
    for (const method of service.methods) {
      const handler: unknown = implementation[method.localName as keyof S['method']];
      const bound =
        typeof handler === 'function' ? (handler.bind(implementation) as ServedMethod['handler']) : undefined;
      this.#methods.set(methodPath(method), bound && { method: method, handler: bound });
    }
  }

  /** Serves a connection. Handlers see its `remoteAddress` as their peer. */
  serve(socket: Socket): void {
    this.#http2.emit('connection', socket);
  }

  /** Has all clients connect again (GOAWAY) while calls in flight go on; ends what is left of them after `graceMs`. */
  drain(graceMs: number): void {
    for (const session of this.#sessions.keys()) {
      session.close();
      setTimeout(() => session.destroy(), graceMs).unref();
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const session of this.#sessions.keys()) session.destroy();
    this.#http2.close();
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.set(session, session.socket.remoteAddress ?? '');
    session.on('error', () => undefined);
    session.once('close', () => this.#sessions.delete(session));
  }

  #called(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => undefined);
    if (headers[':method'] !== 'POST' || headers['content-type']?.startsWith('application/grpc') !== true) {
      if (!isGivenUp(stream)) stream.respond({ ':status': 415 }, { endStream: true });
      discardRequest(stream);
      return;
    }
    const path = headers[':path'] ?? '';
    const served = this.#methods.get(path);
    if (!served) {
      refuseCall(stream, trailersOf(new NotOffered(`There is no method ${path.slice(0, 200)} here.`)));
      return;
    }
    const peer = (stream.session && this.#sessions.get(stream.session as ServerHttp2Session)) ?? '';
    new ServerCall(stream, { headers, peer }, { served, maxRequestBytes: this.#maxRequestBytes }).begin();
  }
}
