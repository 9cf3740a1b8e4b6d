// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { TAG } from './der.ts';

/**
 * A strict reader over DER bytes: definite and minimal lengths only, no multi-byte tags, nothing left over.
 * It exists to read back what `der.ts` wrote and to look into public keys; every deviation throws InvalidRequest.
 */
export class DerReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #offset: number;
  /** Where the contents of the element that was read last begin. */
  #contents = 0;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#offset >= this.#end;
  }

  /** Tag of the next element, undefined at the end. */
  peek(): number | undefined {
    return this.done ? undefined : this.#bytes[this.#offset];
  }

  /** Contents of the next element, which must have this tag. `what` names it in the error. */
  read(tag: number, what: string): Buffer {
    this.#pass(tag, what);
    return this.#bytes.subarray(this.#contents, this.#offset);
  }

  /** The next element, which must have this tag, with its tag and length. */
  whole(tag: number, what: string): Buffer {
    const start = this.#offset;
    this.#pass(tag, what);
    return this.#bytes.subarray(start, this.#offset);
  }

  /** Opens the next element, which must have this tag, for reading inside. */
  enter(tag: number, what: string): DerReader {
    this.#pass(tag, what);
    return new DerReader(this.#bytes, this.#contents, this.#offset);
  }

  /** Value of the next element, which must be a BOOLEAN: 0xff or 0x00 in DER, where BER takes anything but 0 for true. */
  boolean(what: string): boolean {
    const octets = this.read(TAG.boolean, what);
    const [value] = octets;
    if (octets.length !== 1 || (value !== 0 && value !== 0xff))
      throw malformed(what, 'ff or 00', octets.toString('hex'));
    return value === 0xff;
  }

  /** Throws unless everything has been read. */
  end(what: string): void {
    if (!this.done) throw malformed(what, 'nothing after it', `${this.#end - this.#offset} more octets`);
  }

  /** Goes behind the next element. */
  #pass(tag: number, what: string): void {
    const found = this.peek();
    if (found !== tag) throw malformed(what, `tag ${hex(tag)}`, found === undefined ? 'the end' : `tag ${hex(found)}`);
    const length = this.#passLength(what);
    const left = this.#end - this.#contents;
    if (length > left) throw malformed(what, `${length} octets`, `${left} octets`);
    this.#offset = this.#contents + length;
  }

  /** Length of the element at the offset; notes where its contents begin. */
  #passLength(what: string): number {
    const at = this.#offset + 1;
    const first = at < this.#end ? this.#bytes[at] : undefined;
    if (first === undefined) throw malformed(what, 'a length', 'the end');
    const octets = first < 0x80 ? 0 : first & 0x7f;
    this.#contents = at + 1 + octets;
    if (first < 0x80) return first;
    if (octets === 0 || octets > 4 || this.#contents > this.#end) {
      throw malformed(what, 'a definite length of up to 4 octets', `length octet ${hex(first)}`);
    }
    const length = this.#bytes.readUIntBE(at + 1, octets);
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw malformed(what, 'a minimal length', 'a padded one');
    return length;
  }
}

function malformed(what: string, expected: string, found: string): KeysteadError {
  return new KeysteadError('InvalidRequest', `malformed DER in ${what}: expected ${expected}, found ${found}`);
}

function hex(octet: number): string {
  return `0x${octet.toString(16).padStart(2, '0')}`;
}
