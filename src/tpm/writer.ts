// SPDX-License-Identifier: Apache-2.0

/** Big-endian integers as a TPM wants them (TPM 2.0 Library, Part 1, "Marshaling"); pieces are joined by `Buffer.concat`. */
export function u8(value: number): Buffer {
  return Buffer.of(value);
}

export function u16(value: number): Buffer {
  const out = Buffer.allocUnsafe(2);
  out.writeUInt16BE(value);
  return out;
}

export function u32(value: number): Buffer {
  const out = Buffer.allocUnsafe(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

/** A TPM2B: 16-bit length, then the content. */
export function sized(...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([u16(content.length), content]);
}

/** A TPML: 32-bit count, then the elements. */
export function list(elements: readonly Uint8Array[]): Buffer {
  return Buffer.concat([u32(elements.length), ...elements]);
}

export const EMPTY: Buffer = Buffer.alloc(0);
