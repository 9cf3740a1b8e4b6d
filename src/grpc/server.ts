// SPDX-License-Identifier: Apache-2.0
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { codec, methodPath } from './client.ts';
import { toServiceError } from './status.ts';

/** What a handler may know of its call. */
export interface CallContext {
  /** The peer's address; a server that tags its sockets finds the tag here. */
  readonly peer: string;
  readonly metadata: Metadata;
  /** Aborts when the caller goes away or gives up. */
  readonly signal: AbortSignal;
}

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

/** One for all: an exception made for each call that is given up, as each is that reads one message of a stream, is costly. */
const CANCELLED = new Error('the call was given up');

/** The service as grpc-js describes one, for `Server.addService`. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const method of service.methods) {
    const input = codec(method.input);
    const output = codec(method.output);
    definition[method.localName] = {
      path: methodPath(method),
      originalName: method.name,
      requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      requestSerialize: input.serialize,
      requestDeserialize: input.deserialize,
      responseSerialize: output.serialize,
      responseDeserialize: output.deserialize,
    };
  }
  return definition;
}

/**
 * Serves a service with typed handlers: `addService(server, Identity, { async probe() { return {}; } })`.
 * What a handler throws reaches the caller as a status by `toServiceError`.
 */
export function addService<S extends DescService>(server: Server, service: S, implementation: Implementation<S>): void {
  const handlers: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler: unknown = implementation[method.localName as keyof S['method']];
    if (typeof handler !== 'function') continue;
    const call = handler.bind(implementation) as never;
    handlers[method.localName] = handlerOf(method.methodKind)(method.output, call);
  }
  server.addService(serviceDefinition(service), handlers);
}

type Wrapper = (output: DescMessage, handler: never) => UntypedServiceImplementation[string];

function handlerOf(kind: DescMethod['methodKind']): Wrapper {
  if (kind === 'unary') return unaryHandler;
  return kind === 'bidi_streaming' ? duplexHandler : streamingHandler;
}

function unaryHandler<O extends DescMessage>(
  output: O,
  handler: (request: unknown, context: CallContext) => Promise<MessageInitShape<O>>,
): handleUnaryCall<unknown, MessageShape<O>> {
  return (call, callback) => {
    const abort = new AbortController();
    call.on('cancelled', () => abort.abort(CANCELLED));
    const context = { peer: call.getPeer(), metadata: call.metadata, signal: abort.signal };
    // The extra hop turns a handler that throws before its first await into a rejection.
    Promise.resolve()
      .then(() => handler(call.request, context))
      .then(
        (answer) => callback(null, create(output, answer)),
        (thrown: unknown) => callback(toServiceError(thrown)),
      );
  };
}

function streamingHandler<O extends DescMessage>(
  output: O,
  handler: (request: unknown, context: CallContext) => AsyncIterable<MessageInitShape<O>>,
): handleServerStreamingCall<unknown, MessageShape<O>> {
  return (call) => void stream(call, output, (context) => handler(call.request, context));
}

function duplexHandler<O extends DescMessage>(
  output: O,
  handler: (requests: AsyncIterable<unknown>, context: CallContext) => AsyncIterable<MessageInitShape<O>>,
): handleBidiStreamingCall<unknown, MessageShape<O>> {
  return (call) => void stream(call, output, (context) => handler(call, context));
}

async function stream<O extends DescMessage>(
  call: Streaming<O>,
  output: O,
  answers: (context: CallContext) => AsyncIterable<MessageInitShape<O>>,
): Promise<void> {
  const abort = new AbortController();
  call.on('cancelled', () => abort.abort(CANCELLED));
  const context = { peer: call.getPeer(), metadata: call.metadata, signal: abort.signal };
  try {
    for await (const answer of answers(context)) {
      if (abort.signal.aborted) return;
      if (!call.write(create(output, answer))) await drained(call, abort.signal);
    }
    call.end();
  } catch (thrown) {
    // The one way that grpc-js offers: destroy() would end the stream without a status.
    if (!abort.signal.aborted) call.emit('error', toServiceError(thrown));
  }
}

type Streaming<O extends DescMessage> =
  ServerWritableStream<unknown, MessageShape<O>> | ServerDuplexStream<unknown, MessageShape<O>>;

/** Waits until a slow reader has caught up, or has gone. */
function drained(call: Streaming<DescMessage>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    call.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
