// SPDX-License-Identifier: Apache-2.0
import { CODE, ConnectionError } from './error.ts';
import { huffmanDecoded } from './huffman.ts';
import { STATIC_TABLE, type Field } from './static-table.ts';

/** The most that the table of a connection takes, octets: what both ends agree on unless they say otherwise. */
const TABLE_BYTES = 4_096;
/** What each field counts beside its octets (RFC 7541, section 4.1). */
const FIELD_BYTES = 32;

/** Reads header blocks (HPACK, RFC 7541) one after another: each builds on those before it. */
export class HeaderDecoder {
  /** Newest first. */
  readonly #table: Field[] = [];
  #tableBytes = 0;
  #maxBytes = TABLE_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /**
   * The fields of a block; undefined where they come to more than `maxBytes`, of which nothing is kept.
   * Throws ConnectionError, COMPRESSION_ERROR.
   */
  decode(block: Buffer, maxBytes: number): Field[] | undefined {
    this.#block = block;
    this.#at = 0;
    const fields: Field[] = [];
    let bytes = 0;
    while (this.#at < block.length) {
      const field = this.#field(bytes === 0);
      if (!field) continue;
      bytes += sizeOf(field);
      if (bytes <= maxBytes) fields.push(field);
    }
    return bytes <= maxBytes ? fields : undefined;
  }

  /** The next field (section 6); undefined for a change of the table's size, which only comes first. */
  #field(isFirst: boolean): Field | undefined {
    const first = this.#block.readUInt8(this.#at);
    if (first & 0x80) return this.#known(this.#integer(7));
    if (first & 0x40) return this.#learnt(this.#literal(6));
    if ((first & 0x20) === 0) return this.#literal(4);
    const size = this.#integer(5);
    if (!isFirst || size > TABLE_BYTES) throw bad('a change of the table that may not be');
    this.#maxBytes = size;
    this.#evict();
    return undefined;
  }

  #literal(bits: 4 | 6): Field {
    const index = this.#integer(bits);
    const name = index === 0 ? this.#string() : this.#known(index)[0];
    return [name, this.#string()];
  }

  #known(index: number): Field {
    const field = STATIC_TABLE[index - 1] ?? this.#table[index - 1 - STATIC_TABLE.length];
    if (!field) throw bad(`the number ${index}, which stands for none`);
    return field;
  }

  #learnt(field: Field): Field {
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
    return field;
  }

  #evict(): void {
    while (this.#tableBytes > this.#maxBytes) {
      const oldest = this.#table.pop();
      this.#tableBytes = oldest ? this.#tableBytes - sizeOf(oldest) : 0;
    }
  }

  /** Section 5.1: the rest of an octet, and more where that is full. No number here has more than 21 bits. */
  #integer(bits: 4 | 5 | 6 | 7): number {
    const most = 2 ** bits - 1;
    let value = this.#octet() & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 14; shift += 7) {
      const octet = this.#octet();
      value += (octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
    throw bad('a number that is too large');
  }

  /** Section 5.2. */
  #string(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const octets = this.#block.subarray(this.#at, this.#at + length);
    if (octets.length < length) throw bad('the start of one');
    this.#at += length;
    return isHuffman ? huffmanDecoded(octets) : octets.toString('latin1');
  }

  #octet(): number {
    const octet = this.#block[this.#at++];
    if (octet === undefined) throw bad('the start of one');
    return octet;
  }
}

const sizeOf = ([name, value]: Field): number => name.length + value.length + FIELD_BYTES;

function bad(found: string): ConnectionError {
  return new ConnectionError(CODE.compression, `header block: expected fields, found ${found}`);
}
