// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { decodeRequest, encodeAnswer, MalformedRequest } from './messages.ts';
import { CONNECTION_ID, MAX_IN_FLIGHT, MAX_REQUEST_BYTES, type Answer, type Request } from './protocol.ts';
import type { Turns } from './turns.ts';

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly turns: Turns;
  /** Gives the result as it goes over the socket. May throw; a promise may reject. */
  readonly handle: (request: Request) => unknown;
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
      const request = decodeRequest(contents);
      if (this.#inFlight >= MAX_IN_FLIGHT) throw new MalformedRequest(request.id, overloaded());
      this.#inFlight++;
      this.#options.turns.add(() => this.#run(request));
    } catch (thrown) {
      if (!(thrown instanceof MalformedRequest)) throw thrown;
      if (thrown.id === undefined) throw thrown.cause;
      this.#send(errorAnswer(thrown.id, thrown.cause));
    }
  }

  #run(request: Request): void {
    // Nobody waits any more: nothing is issued for the wastebasket.
    if (this.#closing || !this.#options.socket.writable) {
      this.#inFlight--;
      return;
    }
    try {
      const result = this.#options.handle(request);
      if (result instanceof Promise) this.#finishLater(request.id, result);
      else this.#finish({ id: request.id, result });
    } catch (thrown) {
      this.#finish(errorAnswer(request.id, asKeysteadError(thrown)));
    }
  }

  #finishLater(id: number, result: Promise<unknown>): void {
    result.then(
      (value) => this.#finish({ id, result: value }),
      (thrown: unknown) => this.#finish(errorAnswer(id, asKeysteadError(thrown))),
    );
  }

  #finish(answer: Answer): void {
    this.#inFlight--;
    this.#send(answer);
  }

  /** Answers wait for `flush`: those of one slice leave in one write, after the audit has been committed. */
  #send(answer: Answer): void {
    this.#unsent.push(encodeFrame(encodeAnswer(answer)));
    if (this.#unsent.length === 1) this.#options.answered(this);
  }
}

function errorAnswer(id: number, error: KeysteadError): Answer {
  return { id, error: { code: error.code, message: error.message } };
}

function overloaded(): KeysteadError {
  const expected = `at most ${MAX_IN_FLIGHT} requests in flight on a connection`;
  return new KeysteadError('Overloaded', `expected ${expected}, found one more; ask again in ${RETRY_AFTER_MS} ms`);
}
