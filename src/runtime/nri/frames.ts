// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';

/** ttrpc's own limit for a message's payload (ttrpc channel.go, messageLengthMax). */
export const MAX_MESSAGE_BYTES = 4 << 20;
const MUX_HEADER_BYTES = 8;
const TTRPC_HEADER_BYTES = 10;
/** The runtime reads through a buffer of 4096 bytes and gives up on a frame that does not fit (NRI mux.go, ENOMEM). */
const MAX_SENT_FRAME_BYTES = 4096;

/** A piece of one of the connections that share an NRI socket. `connection 1` = Plugin service, `2` = Runtime service. */
export interface MuxFrame {
  readonly connection: number;
  readonly payload: Buffer;
}

export type TtrpcType = 'request' | 'response' | 'other';

/** A ttrpc message; `payload` is an encoded `Request` or `Response`. */
export interface TtrpcMessage {
  readonly stream: number;
  readonly type: TtrpcType;
  readonly payload: Buffer;
}

/** Cuts a byte stream into header and body, however the bytes arrive. Throws `InvalidRequest` on a body over `maxBody`. */
class LengthReader {
  readonly #headerBytes: number;
  readonly #lengthAt: number;
  readonly #maxBody: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor(headerBytes: number, lengthAt: number, maxBody: number) {
    this.#headerBytes = headerBytes;
    this.#lengthAt = lengthAt;
    this.#maxBody = maxBody;
  }

  push(bytes: Buffer): { readonly header: Buffer; readonly body: Buffer }[] {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const found = [];
    while (this.#pending.length >= this.#headerBytes) {
      const length = this.#pending.readUInt32BE(this.#lengthAt);
      if (length > this.#maxBody)
        throw new KeysteadError(
          'InvalidRequest',
          `NRI frame of ${length} bytes, at most ${this.#maxBody} are accepted`,
        );
      const end = this.#headerBytes + length;
      if (this.#pending.length < end) break;
      found.push({
        header: this.#pending.subarray(0, this.#headerBytes),
        body: this.#pending.subarray(this.#headerBytes, end),
      });
      this.#pending = this.#pending.subarray(end);
    }
    return found;
  }
}

/** Takes an NRI socket's bytes apart into the connections that share it. Frame: connection u32, length u32, bytes. */
export class MuxReader {
  readonly #reader = new LengthReader(MUX_HEADER_BYTES, 4, MAX_MESSAGE_BYTES + TTRPC_HEADER_BYTES);

  push(bytes: Buffer): MuxFrame[] {
    return this.#reader.push(bytes).map(({ header, body }) => ({ connection: header.readUInt32BE(0), payload: body }));
  }
}

/** Takes one connection's bytes apart into ttrpc messages. Frame: length u32, stream u32, type u8, flags u8, bytes. */
export class TtrpcReader {
  readonly #reader = new LengthReader(TTRPC_HEADER_BYTES, 0, MAX_MESSAGE_BYTES);

  push(bytes: Buffer): TtrpcMessage[] {
    return this.#reader.push(bytes).map(({ header, body }) => {
      const type = header.readUInt8(8);
      return {
        stream: header.readUInt32BE(4),
        type: type === 1 ? 'request' : type === 2 ? 'response' : 'other',
        payload: body,
      };
    });
  }
}

/** Bytes of one connection, ready for the shared socket. */
export function encodeMux(connection: number, bytes: Uint8Array): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += MAX_SENT_FRAME_BYTES) {
    const piece = bytes.subarray(at, at + MAX_SENT_FRAME_BYTES);
    const header = Buffer.alloc(MUX_HEADER_BYTES);
    header.writeUInt32BE(connection, 0);
    header.writeUInt32BE(piece.length, 4);
    parts.push(header, Buffer.from(piece));
  }
  return Buffer.concat(parts);
}

/** A ttrpc message. A request says that nothing follows it on its stream (flag 1), as unary calls do. */
export function encodeTtrpc(stream: number, type: 'request' | 'response', payload: Uint8Array): Buffer {
  const header = Buffer.alloc(TTRPC_HEADER_BYTES);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(stream, 4);
  header.writeUInt8(type === 'request' ? 1 : 2, 8);
  header.writeUInt8(type === 'request' ? 1 : 0, 9);
  return Buffer.concat([header, payload]);
}
