// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { letGo } from './closed-socket.ts';
import { ConnectionWindow } from './connection-window.ts';
import { CODE, ConnectionError, StreamError } from './error.ts';
import { encodeFrame, encodeGoAway, encodeNumber, FLAG, FRAME, FrameReader, unpadded, type Frame } from './frame.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { IdleFrames } from './idle-frames.ts';
import { OpenStreams } from './open-streams.ts';
import { Outbox } from './outbox.ts';
import { requestHeaders, requireTrailers } from './request-headers.ts';
import { clientSettings, encodeSettings } from './settings.ts';
import type { Field } from './static-table.ts';
import { Http2Stream, INITIAL_WINDOW, MAX_WINDOW, type StreamLink } from './stream.ts';

/** Room for streams that several connections share. */
export interface StreamRoom {
  /** Gives whether there was room for one more, which is taken then. */
  take(): boolean;
  giveBack(): void;
}

export interface Http2ConnectionOptions {
  /** Streams that may be open; more are refused, and the client asks again. */
  readonly maxStreams: number;
  /** Beside that; left out, there is room for all. */
  readonly room?: StreamRoom | undefined;
  /** A request has begun; sets the stream's `reader`. */
  readonly onStream: (stream: Http2Stream) => void;
  readonly onClose: () => void;
}

/** How long a peer that broke the protocol has to read so, milliseconds. */
const FAREWELL_MS = 1_000;
/** Streams that this end has ended early, and of which more may come. */
const MAX_REMEMBERED = 256;
/** Above any that a client can begin. */
const MAX_STREAM = 2 ** 31 - 1;
const SETTINGS_ACK = encodeFrame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0));
const DRAIN_PING = Buffer.from('draining');

/** The server's end of an HTTP/2 connection (RFC 9113): streams to serve come out of it. */
export class Http2Connection {
  readonly #socket: Socket;
  readonly #options: Http2ConnectionOptions;
  readonly #reader = new FrameReader();
  readonly #blocks = new HeaderBlocks();
  readonly #outbox: Outbox;
  readonly #streams = new OpenStreams();
  readonly #reset = new Set<number>();
  readonly #window = new ConnectionWindow();
  readonly #idle = new IdleFrames();
  readonly #link: StreamLink;
  #isFirst = true;
  #last = 0;
  #streamWindow = INITIAL_WINDOW;
  #isLeaving = false;
  #hasFailed = false;

  constructor(socket: Socket, options: Http2ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#outbox = new Outbox(socket, () => this.#resume());
    const outbox = this.#outbox;
    this.#link = {
      send: (frame) => outbox.send(frame),
      takeWindow: (wanted) => this.#window.take(wanted),
      isCongested: () => outbox.isCongested(),
      answered: () => this.#idle.answered(),
      closed: (stream, reset) => this.#closed(stream, reset),
    };
    outbox.send(encodeSettings(options.maxStreams));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.once('close', () => {
      this.#dropAll();
      options.onClose();
      letGo(socket);
    });
    socket.on('error', () => socket.destroy());
  }

  /** Has the client use another connection, while calls that it has begun go on; then closes. */
  drain(): void {
    // The client may have begun a call that is still under way: what is the last one is known when it has answered.
    this.#outbox.send(encodeGoAway(MAX_STREAM, CODE.none));
    this.#outbox.send(encodeFrame(FRAME.ping, 0, 0, DRAIN_PING));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#hasFailed) return;
    try {
      this.#reader.read(chunk, (frame) => this.#take(frame));
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #take(frame: Frame): void {
    if (this.#isFirst && frame.type !== FRAME.settings) throw bad('settings first, found another frame');
    this.#isFirst = false;
    if (this.#blocks.isOpen && frame.type !== FRAME.continuation) throw bad('a continuation, found another frame');
    try {
      this.#dispatch(frame);
    } catch (thrown) {
      if (!(thrown instanceof StreamError)) throw thrown;
      this.#idle.count();
      this.#resetStream(thrown.stream, thrown.code);
    }
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case FRAME.data:
        return this.#data(frame);
      case FRAME.headers:
      case FRAME.continuation:
        return this.#headers(frame);
      case FRAME.priority:
        return this.#priority(frame);
      case FRAME.reset:
        return this.#peerReset(frame);
      case FRAME.settings:
        return this.#settings(frame);
      case FRAME.pushPromise:
        throw bad('no pushed stream of a client, found one');
      case FRAME.ping:
        return this.#ping(frame);
      case FRAME.goAway:
        return this.#goAway(frame);
      case FRAME.windowUpdate:
        return this.#windowUpdate(frame);
      default:
        // Section 5.5: what is not known is passed over.
        return this.#idle.count();
    }
  }

  #data(frame: Frame): void {
    const { payload, flags } = frame;
    const stream = this.#existing(frame);
    const more = this.#window.received(payload.length);
    if (more > 0) this.#outbox.reply(encodeNumber(FRAME.windowUpdate, 0, more));
    const chunk = unpadded(frame);
    if (chunk.length === 0) this.#idle.count();
    stream?.take(chunk, payload.length);
    if (stream && flags & FLAG.endStream && !stream.isClosed) stream.takeEnd();
  }

  #headers(frame: Frame): void {
    if (frame.stream % 2 === 0) throw bad('a stream of a client, found an even number');
    const block = this.#blocks.take(frame);
    if (block) this.#begin(block.stream, block.fields, block.endsStream);
  }

  #begin(id: number, fields: readonly Field[] | undefined, endsStream: boolean): void {
    const open = this.#streams.get(id);
    if (open) {
      if (open.peerHasEnded) throw new StreamError(id, CODE.streamClosed, 'headers behind the end');
      if (!endsStream) throw new StreamError(id, CODE.protocol, 'headers within the body');
      requireTrailers(id, fields ?? []);
      open.takeEnd();
      return;
    }
    if (id <= this.#last) {
      if (this.#reset.has(id)) return;
      throw new ConnectionError(CODE.streamClosed, 'expected a new stream, found one that has ended');
    }
    // Of what comes after the last word the client knows that it was not begun.
    if (this.#isLeaving) return;
    this.#last = id;
    if (this.#streams.size >= this.#options.maxStreams) throw new StreamError(id, CODE.refusedStream, 'too many');
    if (!fields) throw new StreamError(id, CODE.enhanceYourCalm, 'headers that are too long');
    const stream = new Http2Stream(id, requestHeaders(id, fields), { link: this.#link, window: this.#streamWindow });
    if (this.#options.room?.take() === false) throw new StreamError(id, CODE.refusedStream, 'too many');
    this.#streams.add(stream);
    this.#options.onStream(stream);
    if (endsStream && !stream.isClosed) stream.takeEnd();
  }

  #priority({ stream, payload }: Frame): void {
    if (stream === 0) throw bad('a stream, found the connection');
    this.#idle.count();
    if (payload.length !== 5) throw new StreamError(stream, CODE.frameSize, 'a priority of another length');
  }

  #peerReset(frame: Frame): void {
    requireSize(frame, frame.payload.length === 4);
    const stream = this.#existing(frame);
    this.#idle.count();
    stream?.drop();
  }

  #settings(frame: Frame): void {
    if (frame.stream !== 0) throw bad('the connection, found a stream');
    if (frame.flags & FLAG.ack) return requireSize(frame, frame.payload.length === 0);
    this.#idle.count();
    const { initialWindow } = clientSettings(frame.payload);
    // No client waits for it; sent apart it would cost both ends a system call for each connection.
    this.#outbox.replyAlong(SETTINGS_ACK);
    if (initialWindow === undefined) return;
    const more = initialWindow - this.#streamWindow;
    this.#streamWindow = initialWindow;
    for (const stream of this.#streams.all()) this.#widen(stream, more);
  }

  /** Section 6.9.2: by settings it is the connection that ends where a window becomes too large. */
  #widen(stream: Http2Stream, more: number): void {
    try {
      stream.widen(more);
    } catch (thrown) {
      throw thrown instanceof StreamError ? new ConnectionError(thrown.code, thrown.message) : thrown;
    }
  }

  #ping(frame: Frame): void {
    if (frame.stream !== 0) throw bad('the connection, found a stream');
    requireSize(frame, frame.payload.length === 8);
    this.#idle.count();
    if ((frame.flags & FLAG.ack) === 0) this.#outbox.reply(encodeFrame(FRAME.ping, FLAG.ack, 0, frame.payload));
    else if (frame.payload.equals(DRAIN_PING)) this.#leave();
  }

  /** The client takes its leave: where nothing is open, what is still to be said would find nobody. */
  #goAway(frame: Frame): void {
    if (frame.stream !== 0) throw bad('the connection, found a stream');
    requireSize(frame, frame.payload.length >= 8);
    if (this.#streams.size === 0) this.#socket.destroy();
  }

  #windowUpdate(frame: Frame): void {
    requireSize(frame, frame.payload.length === 4);
    const octets = frame.payload.readUInt32BE(0) & MAX_WINDOW;
    if (frame.stream === 0) {
      this.#window.widen(octets);
      this.#resume();
      return;
    }
    const stream = this.#existing(frame);
    if (octets === 0) throw new StreamError(frame.stream, CODE.protocol, 'a window that does not grow');
    stream?.widen(octets);
  }

  /** The stream that a frame is for; undefined where it has ended. Throws for one that has not begun. */
  #existing({ type, stream }: Frame): Http2Stream | undefined {
    const found = this.#streams.get(stream);
    if (found) return found;
    if (stream === 0 || stream % 2 === 0 || stream > this.#last) throw bad('a stream that has begun, found another');
    if (type === FRAME.data && !this.#reset.has(stream)) throw new StreamError(stream, CODE.streamClosed, 'has ended');
    return undefined;
  }

  #resetStream(id: number, code: number): void {
    const stream = this.#streams.get(id);
    if (stream) stream.reset(code);
    else this.#outbox.reply(encodeNumber(FRAME.reset, id, code));
  }

  #closed({ id }: Http2Stream, reset: boolean): void {
    this.#streams.remove(id);
    this.#options.room?.giveBack();
    if (reset) {
      this.#reset.add(id);
      const [oldest] = this.#reset;
      if (this.#reset.size > MAX_REMEMBERED && oldest !== undefined) this.#reset.delete(oldest);
    }
    if (this.#isLeaving && this.#streams.size === 0) this.#end();
  }

  #resume(): void {
    for (const stream of this.#streams.all()) stream.resume();
  }

  #leave(): void {
    this.#isLeaving = true;
    this.#outbox.send(encodeGoAway(this.#last, CODE.none));
    if (this.#streams.size === 0) this.#end();
  }

  #end(): void {
    this.#outbox.flush();
    this.#socket.end();
  }

  #fail(thrown: unknown): void {
    this.#hasFailed = true;
    const { code, message } = thrown instanceof ConnectionError ? thrown : { code: CODE.internal, message: '' };
    this.#outbox.send(encodeGoAway(this.#last, code, message));
    this.#end();
    this.#dropAll();
    setTimeout(() => this.#socket.destroy(), FAREWELL_MS).unref();
  }

  #dropAll(): void {
    for (const stream of this.#streams.all()) stream.drop();
  }
}

function requireSize({ type }: Frame, holds: boolean): void {
  if (!holds) throw new ConnectionError(CODE.frameSize, `expected another length of a frame of type ${type}`);
}

function bad(expected: string): ConnectionError {
  return new ConnectionError(CODE.protocol, `expected ${expected}`);
}
