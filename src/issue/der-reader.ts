// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/**
 * A strict reader over DER bytes: definite and minimal lengths only, no multi-byte tags, nothing left over.
 * It exists to read back what `der.ts` wrote and to look into public keys; every deviation throws InvalidRequest.
 */
export class DerReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  /** Tag of the next element, undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** Contents of the next element, which must have this tag. `what` names it in the error. */
  read(tag: number, what: string): Buffer {
    return this.element(tag, what).contents;
  }

  /** Opens the next element, which must have this tag, for reading inside. */
  enter(tag: number, what: string): DerReader {
    return new DerReader(this.element(tag, what).contents);
  }

  /** The next element with (`whole`) and without its tag and length. */
  element(tag: number, what: string): { readonly whole: Buffer; readonly contents: Buffer } {
    const start = this.#offset;
    const found = this.#bytes[start];
    if (found !== tag) throw malformed(what, `tag ${hex(tag)}`, found === undefined ? 'the end' : `tag ${hex(found)}`);
    const { length, header } = this.#length(start + 1, what);
    const end = start + 1 + header + length;
    if (end > this.#bytes.length) {
      throw malformed(what, `${length} octets`, `${this.#bytes.length - start - 1 - header} octets`);
    }
    this.#offset = end;
    return { whole: this.#bytes.subarray(start, end), contents: this.#bytes.subarray(start + 1 + header, end) };
  }

  /** Throws unless everything has been read. */
  end(what: string): void {
    const left = this.#bytes.length - this.#offset;
    if (left > 0) throw malformed(what, 'nothing after it', `${left} more octets`);
  }

  #length(at: number, what: string): { length: number; header: number } {
    const first = this.#bytes[at];
    if (first === undefined) throw malformed(what, 'a length', 'the end');
    if (first < 0x80) return { length: first, header: 1 };
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4 || at + 1 + octets > this.#bytes.length) {
      throw malformed(what, 'a definite length of up to 4 octets', `length octet ${hex(first)}`);
    }
    const length = this.#bytes.readUIntBE(at + 1, octets);
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw malformed(what, 'a minimal length', 'a padded one');
    return { length, header: 1 + octets };
  }
}

function malformed(what: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `malformed DER in ${what}: expected ${expected}, found ${found}`);
}

function hex(octet: number): string {
  return `0x${octet.toString(16).padStart(2, '0')}`;
}
