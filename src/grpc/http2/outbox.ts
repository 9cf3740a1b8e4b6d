// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { CODE, ConnectionError } from './error.ts';

/** Replies that may wait for who makes us reply and reads nothing, octets. */
const MAX_REPLIES = 64 * 1024;

/** How long a reply waits for company where nobody waits for it, milliseconds. */
const COMPANY_MS = 1;

/** What is sent on a connection: all that one turn of the event loop has to say goes out in one write. */
export class Outbox {
  readonly #socket: Socket;
  readonly #roomAgain: () => void;
  #frames: Buffer[] = [];
  #bytes = 0;
  #replies = 0;
  #isDue = false;
  #isAwaited = false;

  /** `roomAgain` is called after `isCongested` was true and is so no longer. */
  constructor(socket: Socket, roomAgain: () => void) {
    this.#socket = socket;
    this.#roomAgain = roomAgain;
    socket.on('drain', () => this.#tell());
  }

  /** Sends a frame after those before it. */
  send(frame: Buffer): void {
    if (!this.#isDue) setImmediate(() => this.flush());
    this.#isDue = true;
    this.#keep(frame);
  }

  /** The same with a frame that a peer has caused. Throws ConnectionError where he reads none of them. */
  reply(frame: Buffer): void {
    this.#count(frame);
    this.send(frame);
  }

  /** The same with one that nobody waits for: it goes out with the next frame, or else in a moment. */
  replyAlong(frame: Buffer): void {
    this.#count(frame);
    if (this.#frames.length === 0) setTimeout(() => this.flush(), COMPANY_MS);
    this.#keep(frame);
  }

  flush(): void {
    this.#isDue = false;
    if (this.#frames.length === 0) return;
    const octets = Buffer.concat(this.#frames, this.#bytes);
    this.#frames = [];
    this.#bytes = 0;
    // What is taken at once brings no event.
    if (this.#socket.writable && this.#socket.write(octets)) this.#tell();
  }

  /** Whether the peer reads more slowly than is written. */
  isCongested(): boolean {
    const isCongested = this.#bytes + this.#socket.writableLength > this.#socket.writableHighWaterMark;
    this.#isAwaited ||= isCongested;
    return isCongested;
  }

  #count(frame: Buffer): void {
    if (this.#socket.writableLength === 0) this.#replies = 0;
    this.#replies += frame.length;
    if (this.#replies > MAX_REPLIES) {
      throw new ConnectionError(CODE.enhanceYourCalm, 'expected a peer that reads replies, found one that does not');
    }
  }

  #keep(frame: Buffer): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  #tell(): void {
    if (!this.#isAwaited) return;
    this.#isAwaited = false;
    this.#roomAgain();
  }
}
