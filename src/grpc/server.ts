// SPDX-License-Identifier: Apache-2.0
import type {
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { Socket } from 'node:net';
import { Roster } from '../roster.ts';
import { methodPath } from './client.ts';
import { Http2Connection, type StreamRoom } from './http2/connection.ts';
import { encodeHeaders } from './http2/header-encoder.ts';
import type { Http2Stream } from './http2/stream.ts';
import { refuseCall, ServerCall, trailersOf, type CallContext, type ServedMethod } from './server-call.ts';
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
  /** Room for calls that all connections of one peer share. Default: there is always some. */
  readonly roomOf?: (peer: string) => StreamRoom;
}

const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const MAX_STREAMS = 1024;
/** Answer to what is no call of gRPC. */
const UNSUPPORTED_MEDIA_TYPE = encodeHeaders(415, {});

/**
 * A gRPC server on connections that are handed to it. It is that of grpc-js without what nothing here needs (interceptors,
 * compression, channelz, load reports), on an HTTP/2 of its own: Node's takes twice the processor time of a call, and refuses gRPC for Java.
 */
export class GrpcServer {
  readonly #methods = new Map<string, ServedMethod | undefined>();
  readonly #connections = new Roster<Http2Connection>();
  readonly #maxRequestBytes: number;
  readonly #maxStreams: number;
  readonly #roomOf: GrpcServerOptions['roomOf'];

  constructor({ maxRequestBytes = MAX_REQUEST_BYTES, maxStreams = MAX_STREAMS, roomOf }: GrpcServerOptions = {}) {
    this.#maxRequestBytes = maxRequestBytes;
    this.#maxStreams = maxStreams;
    this.#roomOf = roomOf;
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
    const peer = socket.remoteAddress ?? '';
    const connection = new Http2Connection(socket, {
      maxStreams: this.#maxStreams,
      room: this.#roomOf?.(peer),
      onStream: (stream) => this.#called(stream, peer),
      onClose: () => this.#connections.remove(number, connection),
    });
    const number = this.#connections.add(connection);
  }

  /** Has all clients connect again (GOAWAY) while calls in flight go on; ends what is left of them after `graceMs`. */
  drain(graceMs: number): void {
    for (const connection of this.#connections.all()) {
      connection.drain();
      setTimeout(() => connection.destroy(), graceMs).unref();
    }
  }

  /** Ends all connections. */
  close(): void {
    for (const connection of this.#connections.all()) connection.destroy();
  }

  #called(stream: Http2Stream, peer: string): void {
    const { headers } = stream;
    if (headers.get(':method') !== 'POST' || headers.get('content-type')?.startsWith('application/grpc') !== true) {
      stream.respond(UNSUPPORTED_MEDIA_TYPE, { end: true });
      return;
    }
    const path = headers.get(':path') ?? '';
    const served = this.#methods.get(path);
    if (!served) {
      refuseCall(stream, trailersOf(new NotOffered(`There is no method ${path.slice(0, 200)} here.`)));
      return;
    }
    new ServerCall(stream, peer, { served, maxRequestBytes: this.#maxRequestBytes }).begin();
  }
}
