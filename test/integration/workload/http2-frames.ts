// SPDX-License-Identifier: Apache-2.0

/** What a client sends first (RFC 9113, section 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Types of frames, and flags (RFC 9113, section 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** A frame (RFC 9113, section 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt16BE((type << 8) | flags, 3);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Settings by their numbers (RFC 9113, section 6.5.2). */
export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const each = Object.entries(values).map(([id, value]) => {
    const setting = Buffer.alloc(6);
    setting.writeUInt16BE(Number(id), 0);
    setting.writeUInt32BE(value, 2);
    return setting;
  });
  return frame(FRAME.settings, 0, 0, Buffer.concat(each));
}

/** A literal field that is not indexed, without Huffman's code (RFC 7541, section 6.2.2); strings of up to 126 octets. */
export function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), text(name), text(value)]);
}

/** `:method: POST` and `:scheme: http`, then these; of a gRPC call. */
export function callHeaders(path: string, authority: string): Buffer {
  return Buffer.concat([
    Buffer.of(0x83, 0x86, 0x41),
    text(authority),
    Buffer.of(0x44),
    text(path),
    field('te', 'trailers'),
    field('content-type', 'application/grpc'),
    field('workload.spiffe.io', 'true'),
  ]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
}
