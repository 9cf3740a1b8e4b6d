// SPDX-License-Identifier: Apache-2.0
import { create, type DescMessage, type DescMethod, type MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { KeysteadError } from '../errors.ts';
import { encodeHeaders } from './http2/header-encoder.ts';
import type { Headers } from './http2/request-headers.ts';
import type { Http2Stream, StreamReader } from './http2/stream.ts';
import { MessageFrames, messageFrame } from './message-frames.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { Requests } from './requests.ts';
import { outwardStatus } from './status.ts';
import { timeoutOf } from './timeout.ts';

/** What a handler may know of its call. */
export interface CallContext {
  /** The peer's address; a server that tags its sockets finds the tag here. */
  readonly peer: string;
  readonly metadata: CallMetadata;
  /** Aborts when the caller goes away or gives up. */
  readonly signal: AbortSignal;
}

/** The headers of a call. */
export interface CallMetadata {
  /** Values of a header, in lower case; none where it was not sent. Repeated ones are joined by a comma. */
  get(name: string): readonly (string | Buffer)[];
}

/** A method with what serves it: see `Handler`. */
export interface ServedMethod {
  readonly method: DescMethod;
  readonly handler: (request: unknown, context: CallContext) => unknown;
}

/** One for all: an exception made for each call that is given up, as each is that reads one message of a stream, is costly. */
const CANCELLED = new Error('the call was given up');
const HEADERS = { 'content-type': 'application/grpc' } as const;
const HEADER_BLOCK = encodeHeaders(200, HEADERS);
const OK = { 'grpc-status': String(status.OK) } as const;
const OK_BLOCK = encodeHeaders(undefined, OK);
/** Longest part of an error's message that is sent, characters. */
const MAX_DETAILS = 1_024;

/** One gRPC call on its HTTP/2 stream (gRPC over HTTP2). */
export class ServerCall {
  readonly #stream: Http2Stream;
  readonly #served: ServedMethod;
  readonly #frames: MessageFrames;
  readonly #context: CallContext;
  #abort: AbortController | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;
  #hasEnded = false;

  constructor(
    stream: Http2Stream,
    peer: string,
    { served, maxRequestBytes }: { readonly served: ServedMethod; readonly maxRequestBytes: number },
  ) {
    this.#stream = stream;
    this.#served = served;
    this.#frames = new MessageFrames(maxRequestBytes);
    this.#context = new Context(peer, metadataOf(stream.headers), () => this.#signal());
    this.#limit(timeoutOf(stream.headers.get('grpc-timeout')));
  }

  /** Reads, has it handled, and answers. Never throws. */
  begin(): void {
    const { methodKind } = this.#served.method;
    const isEach = methodKind === 'bidi_streaming' || methodKind === 'client_streaming';
    const reading = isEach ? this.#readEach() : this.#readOne();
    this.#stream.reader = { ...reading, close: () => this.#closed(), drain: () => this.#drained?.() };
  }

  #readOne(): Reading {
    const requests: Buffer[] = [];
    const data = (chunk: Buffer): void => {
      if (this.#hasEnded) return;
      this.#stream.credit(chunk.length);
      try {
        requests.push(...this.#frames.push(chunk));
        // At once: nothing is kept of a caller that goes on and on.
        if (requests.length > 1) throw notOne('more');
      } catch (thrown) {
        this.#fail(thrown);
      }
    };
    const end = (): void => {
      if (this.#hasEnded) return;
      const [request] = requests;
      if (!request || !this.#frames.isWhole) {
        this.#fail(notOne(request ? 'the start of another' : 'none'));
      } else if (this.#served.method.methodKind === 'unary') {
        void this.#answerOnce(request);
      } else {
        void this.#answerEach(request);
      }
    };
    return { data, end };
  }

  #readEach(): Reading {
    const requests = new Requests((octets) => this.#stream.credit(octets));
    this.#signal().addEventListener('abort', () => requests.end(), { once: true });
    const data = (chunk: Buffer): void => {
      try {
        const found = this.#frames.push(chunk).map((request) => this.#decoded(request));
        requests.push(found, chunk.length);
      } catch (thrown) {
        this.#fail(thrown);
        requests.end();
      }
    };
    void this.#answerEach(requests);
    return { data, end: () => requests.end() };
  }

  async #answerOnce(request: Buffer): Promise<void> {
    try {
      const answer = await (this.#served.handler(this.#decoded(request), this.#context) as Promise<Answer>);
      this.#send(answer);
      this.#finish(OK);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #answerEach(request: Buffer | AsyncIterable<unknown>): Promise<void> {
    try {
      const given = Buffer.isBuffer(request) ? this.#decoded(request) : request;
      for await (const answer of this.#served.handler(given, this.#context) as AsyncIterable<Answer>) {
        if (this.#hasEnded) return;
        if (!this.#send(answer)) await this.#whenDrained();
      }
      this.#finish(OK);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #decoded(request: Buffer): unknown {
    return decodeMessage(this.#served.method.input, request);
  }

  /** Gives whether more may be sent at once. */
  #send(answer: Answer): boolean {
    if (this.#hasEnded) return true;
    const output: DescMessage = this.#served.method.output;
    const frame = messageFrame(encodeMessage(output, create(output, answer)));
    if (!this.#stream.hasBegun) this.#stream.respond(HEADER_BLOCK);
    return this.#stream.write(frame);
  }

  /** Waits until a slow reader has caught up, or has gone. */
  #whenDrained(): Promise<void> {
    return new Promise((resolve) => (this.#drained = resolve));
  }

  #fail(thrown: unknown): void {
    this.#finish(trailersOf(thrown));
  }

  #finish(trailers: Readonly<Record<string, string>>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#deadline);
    if (!this.#stream.hasBegun) refuseCall(this.#stream, trailers);
    else this.#stream.end(trailers === OK ? OK_BLOCK : encodeHeaders(undefined, trailers));
  }

  #limit(milliseconds: number | undefined): void {
    if (milliseconds === undefined) return;
    this.#deadline = setTimeout(() => {
      this.#finish({ 'grpc-status': String(status.DEADLINE_EXCEEDED), 'grpc-message': 'the time given is over' });
      this.#cancel();
    }, milliseconds);
  }

  #closed(): void {
    clearTimeout(this.#deadline);
    this.#drained?.();
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#cancel();
  }

  /** Made for those who ask: most calls are answered before anybody does. */
  #signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#hasEnded) this.#abort.abort(CANCELLED);
    return this.#abort.signal;
  }

  #cancel(): void {
    this.#abort?.abort(CANCELLED);
  }
}

/**
 * A class for the sake of its getter: an object literal with one has a hidden class of its own, in the old generation, where it
 * holds the whole call until the next full collection.
 */
class Context implements CallContext {
  readonly peer: string;
  readonly metadata: CallMetadata;
  readonly #made: () => AbortSignal;

  constructor(peer: string, metadata: CallMetadata, made: () => AbortSignal) {
    this.peer = peer;
    this.metadata = metadata;
    this.#made = made;
  }

  get signal(): AbortSignal {
    return this.#made();
  }
}

type Answer = MessageInitShape<DescMessage>;

type Reading = Pick<StreamReader, 'data' | 'end'>;

function notOne(found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `expected one whole request, found ${found}`);
}

/** Answers a call with nothing but its status. */
export function refuseCall(stream: Http2Stream, trailers: Readonly<Record<string, string>>): void {
  stream.respond(encodeHeaders(200, { ...HEADERS, ...trailers }), { end: true });
}

/** `grpc-status` and `grpc-message`, percent-encoded as gRPC over HTTP2 demands. */
export function trailersOf(thrown: unknown): Record<string, string> {
  const { code, details } = outwardStatus(thrown);
  return { 'grpc-status': String(code), 'grpc-message': encodeURI(details.slice(0, MAX_DETAILS).toWellFormed()) };
}

function metadataOf(headers: Headers): CallMetadata {
  return {
    get: (name) => {
      const value = headers.get(name);
      return value === undefined ? [] : [value];
    },
  };
}
