// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { encodeFrame, frameOf, FrameReader } from './frames.ts';
import { encodeAnswer, errorAnswer, MalformedRequest, readEnvelope, type Envelope } from './messages.ts';
import { CONNECTION_ID, MAX_IN_FLIGHT, MAX_REQUEST_BYTES } from './protocol.ts';

/** Who waits for the answer to a request. */
export interface Asker {
  /** Whether it still waits. */
  readonly isThere: () => boolean;
  /** Gives it the answer, JSON as it goes over the socket; after the first one it takes no other. */
  readonly answer: (text: string) => void;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  /** Sees to it that the request is answered, now or later. Must not throw. */
  readonly handle: (request: Envelope, asker: Asker) => void;
  /** Told when the first answer waits to be flushed. */
  readonly answered: (connection: Connection) => void;
}

/** Answers that wait for a slow reader, bytes, beyond which no more requests are read from it. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Told to a caller that asks for too much, milliseconds. */
const RETRY_AFTER_MS = 50;

/** The server's side of one accepted connection. It answers everything that can be answered, and never throws. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #reader = new FrameReader(MAX_REQUEST_BYTES);
  #unsent: Buffer[] = [];
  #inFlight = 0;
  #closing = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket } = options;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => socket.resume());
    socket.on('error', () => socket.destroy());
  }

  /** Requests that wait for their answer. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends the answers that have gathered. */
  flush(): void {
    const { socket } = this.#options;
    const [first] = this.#unsent;
    if (!first || !socket.writable) return;
    socket.write(this.#unsent.length === 1 ? first : Buffer.concat(this.#unsent));
    this.#unsent = [];
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.pause();
  }

  /** Says why, then closes. Answers not sent yet are dropped: their records may not have been committed. */
  refuse(error: KeysteadError): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#unsent = [encodeFrame(encodeAnswer(errorAnswer(CONNECTION_ID, error)))];
    this.flush();
    this.#options.socket.end();
  }

  #receive(chunk: Buffer): void {
    if (this.#closing) return;
    try {
      for (const contents of this.#reader.push(chunk)) this.#accept(contents);
    } catch (thrown) {
      // After a frame that cannot be told from the next there is no way to find the stream's rhythm again.
      this.refuse(asKeysteadError(thrown));
    }
  }

  #accept(contents: Buffer): void {
    try {
      const request = readEnvelope(contents.toString('utf8'));
      if (this.#inFlight >= MAX_IN_FLIGHT) throw new MalformedRequest(request.id, overloaded());
      this.#inFlight++;
      this.#options.handle(request, this.#asker());
    } catch (thrown) {
      if (!(thrown instanceof MalformedRequest)) throw thrown;
      if (thrown.id === undefined) throw thrown.cause;
      this.#send(JSON.stringify(encodeAnswer(errorAnswer(thrown.id, thrown.cause))));
    }
  }

  #asker(): Asker {
    let answered = false;
    return {
      isThere: () => !answered && !this.#closing && this.#options.socket.writable,
      answer: (text) => {
        if (answered) return;
        answered = true;
        this.#inFlight--;
        this.#send(text);
      },
    };
  }

  /** Answers wait for `flush`: those of one turn leave in one write, after the audit has been committed. */
  #send(text: string): void {
    if (this.#closing) return;
    this.#unsent.push(frameOf(text));
    if (this.#unsent.length === 1) this.#options.answered(this);
  }
}

function overloaded(): KeysteadError {
  const expected = `at most ${MAX_IN_FLIGHT} requests in flight on a connection`;
  const found = `expected ${expected}, found one more; ask again in ${RETRY_AFTER_MS} ms`;
  return new KeysteadError('Overloaded', found, { retryAfterMs: RETRY_AFTER_MS });
}
