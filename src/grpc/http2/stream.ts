// SPDX-License-Identifier: Apache-2.0
import { CODE, StreamError } from './error.ts';
import { encodeFrame, encodeNumber, FLAG, FRAME, MAX_PAYLOAD } from './frame.ts';
import { contentLength, type Headers } from './request-headers.ts';

/** What both ends may send before they are told of more, octets (RFC 9113, section 6.9.2). */
export const INITIAL_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;
/** The peer is told of more once so many octets have been used up. */
export const CREDIT = 32_768;
/** How long a peer may go on sending what nobody reads, milliseconds. */
const DISCARD_MS = 1_000;

/** What a stream tells the one who serves it. */
export interface StreamReader {
  /** Octets of the body. `Http2Stream.credit` has the peer send on. */
  data(chunk: Buffer): void;
  /** The body is whole. */
  end(): void;
  /** Once, at last: nothing more comes, and nothing more is sent. */
  close(): void;
  /** After a `write` that gave false: more may be sent. */
  drain(): void;
}

/** What a stream needs of its connection. */
export interface StreamLink {
  send(frame: Buffer): void;
  /** Takes as much out of the connection's window as is there. */
  takeWindow(wanted: number): number;
  isCongested(): boolean;
  /** The answer to a call begins. */
  answered(): void;
  /** `reset`: by this end. */
  closed(stream: Http2Stream, reset: boolean): void;
}

const SILENT: StreamReader = {
  data: () => undefined,
  end: () => undefined,
  close: () => undefined,
  drain: () => undefined,
};

/** One request and its answer on an HTTP/2 connection (RFC 9113, section 5), as the server sees it. */
export class Http2Stream {
  readonly id: number;
  readonly headers: Headers;
  /** Set by who serves the stream, before he returns to the connection. */
  reader: StreamReader = SILENT;
  readonly #link: StreamLink;
  readonly #length: number | undefined;
  #received = 0;
  #receiveWindow = INITIAL_WINDOW;
  #used = 0;
  #sendWindow: number;
  #pending: Buffer[] = [];
  #trailers: Buffer | undefined;
  #isPaused = false;
  #hasBegun = false;
  #hasEnded = false;
  #peerHasEnded = false;
  #isClosed = false;
  #discarding: NodeJS.Timeout | undefined;

  /** `window`: what the peer takes at first. Throws StreamError for headers that say nonsense of the body. */
  constructor(id: number, headers: Headers, { link, window }: { readonly link: StreamLink; readonly window: number }) {
    this.id = id;
    this.headers = headers;
    this.#link = link;
    this.#sendWindow = window;
    this.#length = contentLength(id, headers);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the headers of the answer are sent. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get peerHasEnded(): boolean {
    return this.#peerHasEnded;
  }

  /** Sends the headers, an encoded block. `end`: there is nothing else. */
  respond(block: Buffer, { end = false } = {}): void {
    if (this.#isClosed || this.#hasEnded) return;
    this.#hasBegun = true;
    this.#link.answered();
    this.#link.send(encodeFrame(FRAME.headers, FLAG.endHeaders | (end ? FLAG.endStream : 0), this.id, block));
    if (end) this.#ended();
  }

  /** Sends a part of the body, or keeps it until the peer takes it. Gives whether more may be sent at once. */
  write(octets: Buffer): boolean {
    if (this.#isClosed || this.#hasEnded) return true;
    this.#pending.push(octets);
    this.flush();
    this.#isPaused = this.#pending.length > 0 || this.#link.isCongested();
    return !this.#isPaused;
  }

  /** Ends the answer with trailers, an encoded block, behind all that was written. */
  end(trailers: Buffer): void {
    if (this.#isClosed || this.#hasEnded) return;
    this.#trailers = trailers;
    this.flush();
  }

  /** Ends the stream at once, both ways (RST_STREAM). */
  reset(code: number): void {
    if (this.#isClosed) return;
    this.#link.send(encodeNumber(FRAME.reset, this.id, code));
    this.#close(true);
  }

  /** So many octets of the body are used up: the peer may send as many more. */
  credit(octets: number): void {
    this.#used += octets;
    if (this.#used < CREDIT || this.#peerHasEnded || this.#isClosed) return;
    this.#link.send(encodeNumber(FRAME.windowUpdate, this.id, this.#used));
    this.#receiveWindow += this.#used;
    this.#used = 0;
  }

  /** Sends what was kept, as far as both windows let it. */
  flush(): void {
    for (let [next] = this.#pending; next !== undefined; [next] = this.#pending) {
      const wanted = Math.min(next.length, MAX_PAYLOAD, Math.max(0, this.#sendWindow));
      const taken = this.#link.takeWindow(wanted);
      if (taken === 0 && next.length > 0) return;
      this.#sendWindow -= taken;
      this.#link.send(encodeFrame(FRAME.data, 0, this.id, next.subarray(0, taken)));
      if (taken < next.length) this.#pending[0] = next.subarray(taken);
      else this.#pending.shift();
    }
    if (this.#trailers === undefined || this.#hasEnded) return;
    this.#link.send(encodeFrame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, this.id, this.#trailers));
    this.#ended();
  }

  /** The connection or the peer has room again. */
  resume(): void {
    this.flush();
    if (!this.#isPaused || this.#pending.length > 0 || this.#link.isCongested()) return;
    this.#isPaused = false;
    this.reader.drain();
  }

  /** The peer takes so many more octets. Throws StreamError, FLOW_CONTROL_ERROR. */
  widen(octets: number): void {
    this.#sendWindow += octets;
    if (this.#sendWindow > MAX_WINDOW) throw new StreamError(this.id, CODE.flowControl, 'a window that is too large');
    this.resume();
  }

  /** DATA has come: `whole` octets with their padding. Throws StreamError. */
  take(chunk: Buffer, whole: number): void {
    if (this.#peerHasEnded) throw new StreamError(this.id, CODE.streamClosed, 'data behind the end');
    this.#receiveWindow -= whole;
    if (this.#receiveWindow < 0) throw new StreamError(this.id, CODE.flowControl, 'more data than was asked for');
    this.#received += chunk.length;
    // What nobody will read is not asked for either.
    if (this.#hasEnded) return;
    this.credit(whole - chunk.length);
    if (chunk.length > 0) this.reader.data(chunk);
  }

  /** The peer has sent all of the body. Throws StreamError, PROTOCOL_ERROR, where it announced another length. */
  takeEnd(): void {
    if (this.#length !== undefined && this.#length !== this.#received) {
      throw new StreamError(this.id, CODE.protocol, 'another length than announced');
    }
    this.#peerHasEnded = true;
    if (this.#hasEnded) this.#close(false);
    else this.reader.end();
  }

  /** The peer has ended the stream, or the connection is gone. */
  drop(): void {
    this.#close(false);
  }

  #ended(): void {
    this.#hasEnded = true;
    if (this.#peerHasEnded) this.#close(false);
    // The answer should arrive before the stream is reset.
    else this.#discarding = setTimeout(() => this.reset(CODE.none), DISCARD_MS).unref();
  }

  #close(reset: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pending = [];
    clearTimeout(this.#discarding);
    this.#link.closed(this, reset);
    this.reader.close();
  }
}
