// SPDX-License-Identifier: Apache-2.0
import { create, type DescMessage, type DescMethod, type MessageInitShape } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { KeysteadError } from '../errors.ts';
import { MessageFrames, messageFrame } from './message-frames.ts';
import { decodeMessage, encodeMessage } from './message.ts';
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
  /** Values of a header, in lower case; none where it was not sent. Node joins repeated ones with a comma. */
  get(name: string): readonly (string | Buffer)[];
}

/** A method with what serves it: see `Handler`. */
export interface ServedMethod {
  readonly method: DescMethod;
  readonly handler: (request: unknown, context: CallContext) => unknown;
}

/** One for all: an exception made for each call that is given up, as each is that reads one message of a stream, is costly. */
const CANCELLED = new Error('the call was given up');
/** How long a caller may go on sending what nobody reads, milliseconds. */
const DISCARD_MS = 1_000;
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const;

/** One gRPC call on its HTTP/2 stream (gRPC over HTTP2). */
export class ServerCall {
  readonly #stream: ServerHttp2Stream;
  readonly #served: ServedMethod;
  readonly #frames: MessageFrames;
  readonly #abort = new AbortController();
  readonly #context: CallContext;
  #deadline: NodeJS.Timeout | undefined;
  #hasBegun = false;
  #hasEnded = false;

  constructor(
    stream: ServerHttp2Stream,
    { headers, peer }: { readonly headers: IncomingHttpHeaders; readonly peer: string },
    { served, maxRequestBytes }: { readonly served: ServedMethod; readonly maxRequestBytes: number },
  ) {
    this.#stream = stream;
    this.#served = served;
    this.#frames = new MessageFrames(maxRequestBytes);
    this.#context = { peer, metadata: metadataOf(headers), signal: this.#abort.signal };
    stream.once('close', () => this.#closed());
    this.#limit(timeoutOf(headers['grpc-timeout']));
  }

  /** Reads, has it handled, and answers. Never throws. */
  begin(): void {
    const { methodKind } = this.#served.method;
    if (methodKind === 'bidi_streaming' || methodKind === 'client_streaming') void this.#answerEach(this.#requests());
    else this.#readOne();
  }

  #readOne(): void {
    const requests: Buffer[] = [];
    this.#stream.on('data', (chunk: Buffer) => {
      try {
        if (this.#hasEnded) return;
        requests.push(...this.#frames.push(chunk));
        // At once: nothing is kept of a caller that goes on and on.
        if (requests.length > 1) throw notOne('more');
      } catch (thrown) {
        this.#fail(thrown);
      }
    });
    this.#stream.once('end', () => {
      if (this.#hasEnded) return;
      const [request] = requests;
      if (!request || !this.#frames.isWhole) {
        this.#fail(notOne(request ? 'the start of another' : 'none'));
      } else if (this.#served.method.methodKind === 'unary') {
        void this.#answerOnce(request);
      } else {
        void this.#answerEach(request);
      }
    });
  }

  async *#requests(): AsyncGenerator<unknown, void> {
    // The answers go on after the last request: the end of this loop must not destroy the stream.
    for await (const chunk of this.#stream.iterator({ destroyOnReturn: false })) {
      for (const request of this.#frames.push(chunk as Buffer)) yield this.#decoded(request);
    }
  }

  async #answerOnce(request: Buffer): Promise<void> {
    try {
      const answer = await (this.#served.handler(this.#decoded(request), this.#context) as Promise<Answer>);
      this.#send(answer);
      this.#end();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #answerEach(request: Buffer | AsyncIterable<unknown>): Promise<void> {
    try {
      const given = Buffer.isBuffer(request) ? this.#decoded(request) : request;
      for await (const answer of this.#served.handler(given, this.#context) as AsyncIterable<Answer>) {
        if (this.#hasEnded) return;
        if (!this.#send(answer)) await this.#drained();
      }
      this.#end();
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #decoded(request: Buffer): unknown {
    return decodeMessage(this.#served.method.input, request);
  }

  /** Gives whether more may be sent at once. */
  #send(answer: Answer): boolean {
    if (this.#hasEnded || isGivenUp(this.#stream)) return true;
    const output: DescMessage = this.#served.method.output;
    const frame = messageFrame(encodeMessage(output, create(output, answer)));
    if (!this.#hasBegun) this.#stream.respond(HEADERS, { waitForTrailers: true });
    this.#hasBegun = true;
    return this.#stream.write(frame);
  }

  /** Waits until a slow reader has caught up, or has gone. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done);
        this.#abort.signal.removeEventListener('abort', done);
        resolve();
      };
      if (this.#hasEnded || isGivenUp(this.#stream)) resolve();
      this.#stream.once('drain', done);
      this.#abort.signal.addEventListener('abort', done, { once: true });
    });
  }

  #end(): void {
    this.#finish({ 'grpc-status': String(status.OK) });
  }

  #fail(thrown: unknown): void {
    this.#finish(trailersOf(thrown));
  }

  #finish(trailers: Readonly<Record<string, string>>): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#deadline);
    if (!this.#hasBegun) {
      refuseCall(this.#stream, trailers);
      return;
    }
    this.#stream.once('wantTrailers', () => {
      if (!isGivenUp(this.#stream)) this.#stream.sendTrailers(trailers);
    });
    this.#stream.end();
  }

  #limit(milliseconds: number | undefined): void {
    if (milliseconds === undefined) return;
    this.#deadline = setTimeout(() => {
      this.#finish({ 'grpc-status': String(status.DEADLINE_EXCEEDED), 'grpc-message': 'the time given is over' });
      this.#abort.abort(CANCELLED);
    }, milliseconds);
  }

  #closed(): void {
    clearTimeout(this.#deadline);
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#abort.abort(CANCELLED);
  }
}

type Answer = MessageInitShape<DescMessage>;

function notOne(found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `expected one whole request, found ${found}`);
}

/** Answers a call with nothing but its status. */
export function refuseCall(stream: ServerHttp2Stream, trailers: Readonly<Record<string, string>>): void {
  if (stream.headersSent || isGivenUp(stream)) return;
  stream.respond({ ...HEADERS, ...trailers }, { endStream: true });
  discardRequest(stream);
}

/** Reads the rest of a request that is answered already, for so long that the answer arrives before the stream is reset. */
export function discardRequest(stream: ServerHttp2Stream): void {
  stream.resume();
  if (stream.readableEnded) return;
  const reset = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), DISCARD_MS).unref();
  stream.once('close', () => clearTimeout(reset));
}

/** Whether the caller, or its connection, has gone; the stream's `close` tells of it a moment later. */
export function isGivenUp(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

/** `grpc-status` and `grpc-message`, percent-encoded as gRPC over HTTP2 demands. */
export function trailersOf(thrown: unknown): Record<string, string> {
  const { code, details } = outwardStatus(thrown);
  return { 'grpc-status': String(code), 'grpc-message': encodeURI(details.toWellFormed()) };
}

function metadataOf(headers: IncomingHttpHeaders): CallMetadata {
  return {
    get: (name) => {
      const value = headers[name];
      if (value === undefined) return [];
      return Array.isArray(value) ? value : [value];
    },
  };
}
