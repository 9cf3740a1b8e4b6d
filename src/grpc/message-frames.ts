// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Compressed-Flag and Message-Length (gRPC over HTTP2, Length-Prefixed-Message). */
const HEADER_BYTES = 5;

/** A message as gRPC puts it into an HTTP/2 stream, uncompressed. */
export function messageFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEADER_BYTES);
  return frame;
}

/** Cuts the octets of a stream into messages. Holds no more than one message and what came with its end. */
export class MessageFrames {
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);

  /** `maxBytes`: longest message that is taken. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The messages that a chunk completes. Throws Overloaded for one that is too long, as soon as that is known, and
   * InvalidRequest for one that is compressed.
   */
  push(chunk: Buffer): Buffer[] {
    let octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const messages: Buffer[] = [];
    while (octets.length >= HEADER_BYTES) {
      const length = octets.readUInt32BE(1);
      this.#check(octets[0], length);
      if (octets.length < HEADER_BYTES + length) break;
      messages.push(octets.subarray(HEADER_BYTES, HEADER_BYTES + length));
      octets = octets.subarray(HEADER_BYTES + length);
    }
    this.#held = octets;
    return messages;
  }

  /** Whether the stream may end here: between two messages. */
  get isWhole(): boolean {
    return this.#held.length === 0;
  }

  #check(flag: number | undefined, length: number): void {
    if (flag !== 0) {
      throw new KeysteadError('InvalidRequest', 'message: expected one that is not compressed, found the flag set');
    }
    if (length > this.#maxBytes) {
      const expected = `at most ${this.#maxBytes} bytes`;
      throw new KeysteadError('Overloaded', `message: expected ${expected}, found a length of ${length}`);
    }
  }
}
