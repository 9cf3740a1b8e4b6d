// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from 'node:stream';
import {
  create,
  toBinary,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { KeysteadError } from '../../errors.ts';
import { decodeMessage } from '../../grpc/message.ts';
import { RequestSchema, ResponseSchema, type Request } from '../../gen/ttrpc/request_pb.js';
import { encodeMux, encodeTtrpc, MuxReader, TtrpcReader, type TtrpcMessage } from './frames.ts';

/** Connection on which the runtime calls us, and the one on which we call it (NRI multiplex/ttrpc.go). */
const PLUGIN_CONNECTION = 1;
const RUNTIME_CONNECTION = 2;

/** Status codes are gRPC's. */
const UNIMPLEMENTED = 12;
const INTERNAL = 13;

/** Answers a call of the runtime with an encoded message; undefined where it does not know the method. */
export type Serve = (method: string, payload: Uint8Array) => Promise<Uint8Array> | undefined;

interface Waiting {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: KeysteadError) => void;
}

/**
 * One NRI socket: ttrpc calls in both directions over two multiplexed connections. What a peer sends wrongly ends the
 * link, since the bytes after it have no meaning; a call that fails does not.
 */
export class NriLink {
  readonly #socket: Duplex;
  readonly #serve: Serve;
  readonly #mux = new MuxReader();
  readonly #calls = new TtrpcReader();
  readonly #answers = new TtrpcReader();
  readonly #waiting = new Map<number, Waiting>();
  #nextStream = 1;

  /** Resolves when the socket is gone, with the error if there was one. Never rejects. */
  readonly closed: Promise<Error | undefined>;

  constructor(socket: Duplex, serve: Serve) {
    this.#socket = socket;
    this.#serve = serve;
    this.closed = new Promise((resolve) => {
      let failure: Error | undefined;
      socket.on('error', (error: Error) => (failure = error));
      socket.on('close', () => {
        this.#giveUp(failure);
        resolve(failure);
      });
    });
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    // The runtime closes us by ending its side.
    socket.on('end', () => socket.destroy());
  }

  /** Calls a method of the runtime. Throws `Unavailable` on a refusal, after the time limit, and when the link ends. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeout: number,
  ): Promise<MessageShape<O>> {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const payload = toBinary<I>(method.input, create<I>(method.input, request));
    const call = {
      service: method.parent.typeName,
      method: method.name,
      payload,
      timeoutNano: BigInt(timeout) * 1_000_000n,
    };
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(stream);
        reject(new KeysteadError('Unavailable', `the runtime did not answer ${method.name} within ${timeout} ms`));
      }, timeout);
      this.#waiting.set(stream, {
        resolve: (bytes) => {
          clearTimeout(timer);
          resolve(bytes);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#send(
        RUNTIME_CONNECTION,
        encodeTtrpc(stream, 'request', toBinary(RequestSchema, create(RequestSchema, call))),
      );
    });
    return decodeMessage<O>(method.output, answer);
  }

  /** Ends the link. */
  close(error?: Error): void {
    this.#socket.destroy(error);
  }

  #receive(bytes: Buffer): void {
    try {
      for (const frame of this.#mux.push(bytes)) {
        // Other connections than the two are for later versions of NRI.
        if (frame.connection === PLUGIN_CONNECTION) this.#calls.push(frame.payload).forEach((m) => this.#called(m));
        if (frame.connection === RUNTIME_CONNECTION)
          this.#answers.push(frame.payload).forEach((m) => this.#answered(m));
      }
    } catch (thrown) {
      this.close(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  #called(message: TtrpcMessage): void {
    // Streaming calls, which NRI does not use, and what later versions may add, are not answered.
    if (message.type !== 'request') return;
    const request = decodeMessage(RequestSchema, message.payload);
    const answer = this.#answer(request);
    void answer.then((response) => {
      const payload = toBinary(ResponseSchema, create(ResponseSchema, response));
      this.#send(PLUGIN_CONNECTION, encodeTtrpc(message.stream, 'response', payload));
    });
  }

  async #answer(request: Request): Promise<MessageInitShape<typeof ResponseSchema>> {
    try {
      const payload = await this.#serve(request.method, request.payload);
      if (payload !== undefined) return { payload };
      return { status: { code: UNIMPLEMENTED, message: `keystead does not serve ${request.method}` } };
    } catch (thrown) {
      return { status: { code: INTERNAL, message: thrown instanceof Error ? thrown.message : String(thrown) } };
    }
  }

  #answered(message: TtrpcMessage): void {
    const waiting = this.#waiting.get(message.stream);
    if (message.type !== 'response' || waiting === undefined) return;
    this.#waiting.delete(message.stream);
    const { status, payload } = decodeMessage(ResponseSchema, message.payload);
    if (status === undefined || status.code === 0) waiting.resolve(payload);
    else
      waiting.reject(
        new KeysteadError('Unavailable', `the runtime refused (status ${status.code}): ${status.message}`),
      );
  }

  #send(connection: number, bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(encodeMux(connection, bytes));
  }

  #giveUp(cause: Error | undefined): void {
    const error = new KeysteadError('Unavailable', 'the runtime closed the NRI connection', { cause });
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
