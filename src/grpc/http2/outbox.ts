// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { CODE, ConnectionError } from './error.ts';

/** What may wait for a slow reader before a stream should pause, octets. */
const CONGESTED = 64 * 1024;
/** Replies that may wait for who makes us reply and reads nothing, octets. */
const MAX_REPLIES = 64 * 1024;

/** What is sent on a connection: all that one turn of the event loop has to say goes out in one write. */
export class Outbox {
  readonly #socket: Socket;
  #frames: Buffer[] = [];
  #bytes = 0;
  #replies = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends a frame after those before it. */
  send(frame: Buffer): void {
    if (this.#frames.length === 0) setImmediate(() => this.flush());
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** The same with a frame that a peer has caused. Throws ConnectionError where he reads none of them. */
  reply(frame: Buffer): void {
    if (this.#socket.writableLength === 0) this.#replies = 0;
    this.#replies += frame.length;
    if (this.#replies > MAX_REPLIES) {
      throw new ConnectionError(CODE.enhanceYourCalm, 'expected a peer that reads replies, found one that does not');
    }
    this.send(frame);
  }

  flush(): void {
    if (this.#frames.length === 0) return;
    const octets = Buffer.concat(this.#frames, this.#bytes);
    this.#frames = [];
    this.#bytes = 0;
    if (this.#socket.writable) this.#socket.write(octets);
  }

  /** Whether the peer reads more slowly than is written. */
  get isCongested(): boolean {
    return this.#bytes + this.#socket.writableLength > CONGESTED;
  }
}
