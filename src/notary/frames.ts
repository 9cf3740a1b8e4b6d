// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

const HEADER_BYTES = 4;

/** One frame of the protocol around a value. */
export function encodeFrame(value: unknown): Buffer {
  return frameOf(JSON.stringify(value));
}

/** One frame around JSON that is text already. */
export function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.write(text, HEADER_BYTES);
  return frame;
}

/** Cuts a byte stream into frames. It never holds more than one frame's length and what came with its end. */
export class FrameReader {
  readonly #maxBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes that must be there before looking again is worth it. */
  #wanted = HEADER_BYTES;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes in a chunk and gives the contents of the frames it completes. Throws InvalidRequest for a longer one. */
  push(chunk: Buffer): Buffer[] {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return [];
    const bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    const frames: Buffer[] = [];
    let offset = 0;
    for (;;) {
      const end = this.#endOfFrame(bytes, offset);
      if (end === undefined) break;
      frames.push(bytes.subarray(offset + HEADER_BYTES, end));
      offset = end;
    }
    this.#pending = offset < bytes.length ? [bytes.subarray(offset)] : [];
    this.#pendingBytes = bytes.length - offset;
    return frames;
  }

  /** Where the frame that starts at `offset` ends; undefined where it is not all there. */
  #endOfFrame(bytes: Buffer, offset: number): number | undefined {
    const there = bytes.length - offset;
    this.#wanted = HEADER_BYTES;
    if (there < HEADER_BYTES) return undefined;
    const length = bytes.readUInt32BE(offset);
    if (length > this.#maxBytes) {
      const expected = `at most ${this.#maxBytes} bytes`;
      throw new KeysteadError('InvalidRequest', `frame: expected ${expected}, found a length of ${length}`);
    }
    this.#wanted = HEADER_BYTES + length;
    return there < this.#wanted ? undefined : offset + this.#wanted;
  }
}
