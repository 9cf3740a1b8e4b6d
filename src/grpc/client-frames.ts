// SPDX-License-Identifier: Apache-2.0
import { Transform, type TransformCallback } from 'node:stream';
import { correctAuthority } from './authority.ts';

/** What a client sends first (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEADER_BYTES = 9;
const SETTINGS = 4;
const HEADERS = 1;
const PADDED = 0x08;
const PRIORITY = 0x20;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
/** What a client may send before it has been told of more (RFC 9113, section 6.5.2). */
const MAX_FRAME_BYTES = 16_384;

/**
 * Whether the first octets of a connection are those of gRPC for Java, or of its core in C: they alone forbid pushed
 * streams twice over. Undefined while too few have come to tell.
 */
export function forbidsPushTwice(octets: Buffer): boolean | undefined {
  if (!octets.subarray(0, PREFACE.length).equals(PREFACE.subarray(0, octets.length))) return false;
  const header = octets.subarray(PREFACE.length, PREFACE.length + FRAME_HEADER_BYTES);
  if (header.length < FRAME_HEADER_BYTES) return undefined;
  const length = header.readUIntBE(0, 3);
  if (header[3] !== SETTINGS || length > MAX_FRAME_BYTES) return false;
  const settings = octets.subarray(PREFACE.length + FRAME_HEADER_BYTES).subarray(0, length);
  if (settings.length < length) return undefined;
  const found = new Map<number, number>();
  for (let at = 0; at + 6 <= length; at += 6) found.set(settings.readUInt16BE(at), settings.readUInt32BE(at + 2));
  return found.get(ENABLE_PUSH) === 0 && found.get(MAX_CONCURRENT_STREAMS) === 0;
}

/**
 * Passes on what an HTTP/2 client sends, octet for octet and length for length but for `correctAuthority`. Holds back
 * no more than one frame of headers; whatever is not HTTP/2 passes for the server to refuse.
 */
export class ClientFrames extends Transform {
  #held: Buffer = Buffer.alloc(0);
  /** Octets that pass unseen: the preface, or the payload of a frame without headers. */
  #passing = PREFACE.length;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (this.#next());
    done();
  }

  override _flush(done: TransformCallback): void {
    this.push(this.#held);
    done();
  }

  /** Passes on the next piece; false where more octets are needed. */
  #next(): boolean {
    if (this.#passing > 0) return this.#pass(Math.min(this.#passing, this.#held.length));
    if (this.#held.length < FRAME_HEADER_BYTES) return false;
    const length = this.#held.readUIntBE(0, 3);
    const whole = FRAME_HEADER_BYTES + length;
    if (this.#held[3] === HEADERS && length <= MAX_FRAME_BYTES) {
      if (this.#held.length < whole) return false;
      correctAuthority(headerBlock(this.#held.subarray(0, whole)));
    }
    this.#passing = whole;
    return true;
  }

  #pass(length: number): boolean {
    if (length === 0) return false;
    this.push(this.#held.subarray(0, length));
    this.#held = this.#held.subarray(length);
    this.#passing -= length;
    return true;
  }
}

/** RFC 9113, section 6.2: without the padding and the priority. */
function headerBlock(frame: Buffer): Buffer {
  const flags = frame[4] ?? 0;
  const padding = flags & PADDED ? (frame[FRAME_HEADER_BYTES] ?? 0) : 0;
  const start = FRAME_HEADER_BYTES + (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0);
  return frame.subarray(start, Math.max(start, frame.length - padding));
}
