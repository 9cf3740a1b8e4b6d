// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import { encodeFrame, FrameReader } from './frames.ts';
import { decodeAnswer, encodeRequest } from './messages.ts';
import { CONNECTION_ID, MAX_ANSWER_BYTES, type Answer, type Request } from './protocol.ts';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: KeysteadError) => void;
  readonly deadline: number;
}

/** The connection ended while a request was in flight: the notary ended, and its successor may answer. */
export class LinkLost extends KeysteadError {
  constructor(path: string, found: string) {
    super('Unavailable', unavailable(path, found));
  }
}

/** How often overdue requests are looked for, milliseconds; one timer serves them all. */
const OVERDUE_CHECK_MS = 1_000;

/** The client's side of one connection. When it ends, however it ends, all that waits fails and it is of no more use. */
export class Link {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #reader = new FrameReader(MAX_ANSWER_BYTES);
  readonly #waiting = new Map<number, Waiting>();
  readonly #overdue: NodeJS.Timeout;
  #unsent: Buffer[] = [];
  #open = true;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    this.#overdue = setInterval(() => this.#failOverdue(), OVERDUE_CHECK_MS).unref();
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(new LinkLost(path, error.message)));
    socket.on('close', () => this.#end(new LinkLost(path, 'it hung up')));
  }

  /** Connects. Rejects with Unavailable. */
  static open(path: string): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const failed = (error: Error): void => {
        const message = `the notary at ${path} cannot be reached: ${error.message}`;
        reject(new KeysteadError('Unavailable', message, { cause: error }));
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        resolve(new Link(socket, path));
      });
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends a request and gives the result as it came. Rejects with the notary's error, or Unavailable. */
  request(request: Request, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new LinkLost(this.#path, 'it hung up'));
        return;
      }
      this.#waiting.set(request.id, { resolve, reject, deadline: performance.now() + timeoutMs });
      if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
      this.#unsent.push(encodeFrame(encodeRequest(request)));
    });
  }

  close(): void {
    this.#end(this.#unavailable('the connection was closed on this side'));
  }

  /** Requests made in one turn leave in one write. */
  #flush(): void {
    if (this.#open) this.#socket.write(Buffer.concat(this.#unsent));
    this.#unsent = [];
  }

  #receive(chunk: Buffer): void {
    try {
      for (const contents of this.#reader.push(chunk)) this.#answer(decodeAnswer(contents));
    } catch (thrown) {
      this.#end(this.#unavailable(`it does not speak this protocol: ${asKeysteadError(thrown).message}`));
    }
  }

  #answer(answer: Answer): void {
    if (answer.id === CONNECTION_ID) {
      const error = 'error' in answer ? answer.error : { code: 'Internal' as const, message: 'no reason' };
      const { code, message, ...options } = error;
      this.#end(new KeysteadError(code, `the notary refused the connection: ${message}`, options));
      return;
    }
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) {
      const { code, message, ...options } = answer.error;
      waiting?.reject(new KeysteadError(code, message, options));
    } else {
      waiting?.resolve(answer.result);
    }
  }

  #failOverdue(): void {
    const now = performance.now();
    const overdue = [...this.#waiting.values()].some(({ deadline }) => deadline < now);
    // Answers of a hung process never come; a new connection to its successor may get some.
    if (overdue) this.#end(this.#unavailable('it did not answer in time'));
  }

  #end(error: KeysteadError): void {
    if (!this.#open) return;
    this.#open = false;
    clearInterval(this.#overdue);
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #unavailable(found: string): KeysteadError {
    return new KeysteadError('Unavailable', unavailable(this.#path, found));
  }
}

function unavailable(path: string, found: string): string {
  return `the notary at ${path} is not available: ${found}; ask again`;
}
