// SPDX-License-Identifier: Apache-2.0
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { frameOf, FrameReader } from '../../src/notary/frames.ts';
import { MAX_ANSWER_BYTES } from '../../src/notary/protocol.ts';

const ANSWER = /^\{"v":1,"id":(\d+),"(result|error)"/;
const HEAD_BYTES = 64;

/**
 * Asks the notary the same requests again and again, so many at once as there are, and looks at an answer only as far as
 * to tell that it is a result: on two cores whoever checks each certificate takes half of what the notary has.
 */
export class NotaryLoad {
  readonly #socket: Socket;
  readonly #frames: readonly Buffer[];
  readonly #reader = new FrameReader(MAX_ANSWER_BYTES);
  #count = 0;
  #waiting = 0;
  #asking = false;
  #failure: Error | undefined;
  /** The last answer of the request with this number, for a look after the run. */
  readonly answers: string[] = [];

  /** `requests`: as they go over the socket, with the ids 1, 2, 3 and so on. */
  constructor(path: string, requests: readonly unknown[]) {
    this.#frames = requests.map((request) => frameOf(JSON.stringify(request)));
    this.#socket = connect(path);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error) => (this.#failure = error));
  }

  /** Goes on for a time. Gives answers a second. Rejects where one was an error. */
  async run(ms: number): Promise<number> {
    const start = performance.now();
    this.#count = 0;
    this.#asking = true;
    this.#ask(this.#frames);
    await sleep(ms);
    const rate = (this.#count / (performance.now() - start)) * 1000;
    this.#asking = false;
    while (this.#waiting > 0 && !this.#failure) await sleep(1);
    if (this.#failure) throw this.#failure;
    return rate;
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(frames: readonly Buffer[]): void {
    this.#waiting += frames.length;
    this.#socket.write(Buffer.concat(frames));
  }

  #receive(chunk: Buffer): void {
    const again: Buffer[] = [];
    for (const contents of this.#reader.push(chunk)) {
      const [, id, kind] = ANSWER.exec(contents.toString('latin1', 0, HEAD_BYTES)) ?? [];
      const number = Number(id) - 1;
      if (kind !== 'result') this.#failure = new Error(contents.toString('utf8'));
      this.#waiting--;
      this.#count++;
      const frame = this.#frames[number];
      if (this.#asking && frame) again.push(frame);
      else this.answers[number] = contents.toString('utf8');
    }
    if (again.length > 0) this.#ask(again);
  }
}
