// SPDX-License-Identifier: Apache-2.0
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { Client, credentials, Metadata, status, type CallOptions, type ClientReadableStream } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from './message.ts';
import { fromServiceError } from './status.ts';

export interface GrpcClientOptions {
  /** Metadata of every call, for example `containerd-namespace`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Time limit of a unary call in milliseconds. Default 5000. */
  readonly timeout?: number;
  /** Largest message that is accepted, in bytes. Default 16 MiB: a node's list of images can pass gRPC's own 4 MiB. */
  readonly maxMessageBytes?: number;
}

/**
 * Largest wait between two attempts to connect. Calls fail at once while it lasts, so it must not outlive the restart of
 * a local peer; an attempt on a unix socket costs next to nothing. grpc-js' own default is 2 minutes.
 */
const MAX_RECONNECT_BACKOFF_MS = 250;

/** Where a method lives on the wire. */
export function methodPath(method: { readonly parent: { readonly typeName: string }; readonly name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** Serializer and parser of a message type. The parser throws InvalidRequest. */
export function codec<T extends DescMessage>(
  schema: T,
): {
  serialize: (message: MessageShape<T>) => Buffer;
  deserialize: (bytes: Buffer) => MessageShape<T>;
} {
  return {
    serialize: (message) => encodeMessage(schema, message),
    deserialize: (bytes) => decodeMessage(schema, bytes),
  };
}

/**
 * A gRPC client of one unix socket, typed by protobuf-es method descriptors:
 * `client.unary(RuntimeService.method.version, {})`. Connects at the first call and again after the peer has restarted.
 * Every failure is a KeysteadError that names the method and the socket.
 */
export class GrpcClient {
  readonly socket: string;
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #timeout: number;

  constructor(socket: string, options: GrpcClientOptions = {}) {
    this.socket = socket;
    this.#timeout = options.timeout ?? 5000;
    for (const [name, value] of Object.entries(options.headers ?? {})) this.#metadata.set(name, value);
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      // Without it the escaped socket path becomes the :authority header, which Go and C servers refuse.
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': options.maxMessageBytes ?? 16 << 20,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS,
      // Local sockets: no proxy from the environment, no look-ups of service configuration.
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      // Clients of one socket with different headers must not end up sharing a dead channel.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** One request, one answer. Throws `Unavailable` after the time limit or when nobody listens. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: { readonly timeout?: number } = {},
  ): Promise<MessageShape<O>> {
    const path = methodPath(method);
    const input = codec<I>(method.input);
    const output = codec<O>(method.output);
    const callOptions: CallOptions = { deadline: Date.now() + (options.timeout ?? this.#timeout) };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        input.serialize,
        output.deserialize,
        create<I>(method.input, request),
        this.#metadata,
        callOptions,
        (error, answer) => {
          if (error) reject(fromServiceError(error, path, this.socket));
          else if (answer === undefined) reject(fromServiceError(new Error('empty answer'), path, this.socket));
          else resolve(answer);
        },
      );
    });
  }

  /**
   * One request, a stream of answers. Ends without an error when `signal` aborts, and when the server ends it;
   * leaving the loop cancels the call. A server may send its headers with its first answer only, so a quiet stream
   * says nothing about whether the server has taken it.
   */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: { readonly signal?: AbortSignal; readonly timeout?: number } = {},
  ): AsyncGenerator<MessageShape<O>, void> {
    const path = methodPath(method);
    if (options.signal?.aborted) return;
    const call = this.#stream(method, request, options.timeout);
    const cancel = (): void => call.cancel();
    options.signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of call) yield message as MessageShape<O>;
    } catch (thrown) {
      if (options.signal?.aborted && isCancelled(thrown)) return;
      throw fromServiceError(thrown, path, this.socket);
    } finally {
      options.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  #stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    timeout: number | undefined,
  ): ClientReadableStream<MessageShape<O>> {
    const input = codec<I>(method.input);
    const output = codec<O>(method.output);
    const callOptions: CallOptions = timeout === undefined ? {} : { deadline: Date.now() + timeout };
    return this.#client.makeServerStreamRequest(
      methodPath(method),
      input.serialize,
      output.deserialize,
      create<I>(method.input, request),
      this.#metadata,
      callOptions,
    );
  }

  /** Connects, if need be waiting for the server to come up. Throws `Unavailable` after `timeout` milliseconds. */
  ready(timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeout, (error) => {
        if (error) reject(fromServiceError(error, 'connecting', this.socket));
        else resolve();
      });
    });
  }

  /** Ends the connection; calls in flight fail with `Unavailable`. */
  close(): void {
    this.#client.close();
  }
}

function isCancelled(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === status.CANCELLED;
}
