// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { CODE, ConnectionError } from './error.ts';

/** Replies that may wait for who makes us reply and reads nothing, octets. */
const MAX_REPLIES = 64 * 1024;

/** What is sent on a connection: all that one turn of the event loop has to say goes out in one write. */
export class Outbox {
  readonly #socket: Socket;
  readonly #roomAgain: () => void;
  #frames: Buffer[] = [];
  #bytes = 0;
  #replies = 0;
  #isAwaited = false;

  /** `roomAgain` is called after `isCongested` was true and is so no longer. */
  constructor(socket: Socket, roomAgain: () => void) {
    this.#socket = socket;
    this.#roomAgain = roomAgain;
    socket.on('drain', () => this.#tell());
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
    // What is taken at once brings no event.
    if (this.#socket.writable && this.#socket.write(octets)) this.#tell();
  }

  /** Whether the peer reads more slowly than is written. */
  get isCongested(): boolean {
    const isCongested = this.#bytes + this.#socket.writableLength > this.#socket.writableHighWaterMark;
    this.#isAwaited ||= isCongested;
    return isCongested;
  }

  #tell(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#roomAgain();
  }
}
