// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';

/** What a client sends first (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEADER_BYTES = 9;
/** Longest payload that both ends take unless they say otherwise, which this end does not (section 4.2). */
export const MAX_PAYLOAD = 16_384;

/** Types of frames (section 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0: the connection. */
  readonly stream: number;
  /** Good until the next octets are read. */
  readonly payload: Buffer;
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame[3] = type;
  frame[4] = flags;
  frame.writeUInt32BE(stream, 5);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

/** A frame whose payload is a number of 32 bits: an error code, or how much a window grows. */
export function encodeNumber(type: number, stream: number, number: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(number);
  return encodeFrame(type, 0, stream, payload);
}

/** No stream after `last` was or will be looked at (section 6.8). */
export function encodeGoAway(last: number, code: number, message = ''): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(last, 0);
  numbers.writeUInt32BE(code, 4);
  return encodeFrame(FRAME.goAway, 0, 0, Buffer.concat([numbers, Buffer.from(message)]));
}

/** Cuts what a client sends into frames. Holds no more than one of them and what came with its end. */
export class FrameReader {
  #held: Buffer = Buffer.alloc(0);
  #greeted = false;

  /** Hands on the frames that a chunk completes, one after another. Throws ConnectionError. */
  read(chunk: Buffer, take: (frame: Frame) => void): void {
    let octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (!this.#greeted) octets = this.#greeting(octets);
    while (this.#greeted && octets.length >= HEADER_BYTES) {
      const length = octets.readUIntBE(0, 3);
      if (length > MAX_PAYLOAD) {
        throw new ConnectionError(CODE.frameSize, `expected a frame of at most ${MAX_PAYLOAD} octets, found ${length}`);
      }
      const end = HEADER_BYTES + length;
      if (octets.length < end) break;
      const frame = {
        type: octets.readUInt8(3),
        flags: octets.readUInt8(4),
        stream: octets.readUInt32BE(5) & 0x7fffffff,
      };
      const payload = octets.subarray(HEADER_BYTES, end);
      octets = octets.subarray(end);
      take({ ...frame, payload });
    }
    this.#held = octets;
  }

  #greeting(octets: Buffer): Buffer {
    const found = octets.subarray(0, PREFACE.length);
    if (!found.equals(PREFACE.subarray(0, found.length))) {
      throw new ConnectionError(CODE.protocol, 'expected the greeting of an HTTP/2 client, found something else');
    }
    if (found.length < PREFACE.length) return octets;
    this.#greeted = true;
    return octets.subarray(PREFACE.length);
  }
}

/** The payload of DATA or HEADERS without padding and priority (sections 6.1, 6.2). Throws ConnectionError. */
export function unpadded({ type, flags, payload }: Frame): Buffer {
  const isPadded = (flags & FLAG.padded) !== 0;
  const start = (isPadded ? 1 : 0) + (type === FRAME.headers && flags & FLAG.priority ? 5 : 0);
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0);
  if (start > payload.length) throw new ConnectionError(CODE.frameSize, 'expected a whole frame, found a part');
  if (end < start) throw new ConnectionError(CODE.protocol, 'expected less padding than payload, found more');
  return payload.subarray(start, end);
}
