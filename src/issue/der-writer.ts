// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';
import { TAG } from './der.ts';

/** More than the longest certificate: 32 DNS names of 253 characters and a SPIFFE ID of 2048 need 11 KB. */
const CAPACITY = 32 * 1024;

/**
 * Writes DER (X.690) from the end to the beginning into one buffer that is used again and again: each length is known
 * when its header is written, nothing is copied twice. For what is built for every certificate; `der.ts` makes the rest.
 */
export class DerWriter {
  readonly #buffer = Buffer.allocUnsafe(CAPACITY);
  #start = CAPACITY;

  /** Forgets what was written. */
  clear(): void {
    this.#start = CAPACITY;
  }

  /** Octets written so far; `wrap` takes it for where a value ends. */
  get length(): number {
    return CAPACITY - this.#start;
  }

  bytes(octets: Uint8Array): void {
    this.#reserve(octets.length);
    this.#buffer.set(octets, this.#start);
  }

  /** Characters up to U+00FF, an octet each. */
  latin1(text: string): void {
    this.#reserve(text.length);
    this.#buffer.write(text, this.#start, 'latin1');
  }

  /** Puts tag and length before all that was written since `length` was `end`. */
  wrap(tag: number, end: number): void {
    const length = this.length - end;
    const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : 2;
    this.#reserve(2 + octets);
    const at = this.#start;
    this.#buffer[at] = tag;
    this.#buffer[at + 1] = octets === 0 ? length : 0x80 | octets;
    if (octets === 1) this.#buffer[at + 2] = length;
    if (octets === 2) this.#buffer.writeUInt16BE(length, at + 2);
  }

  /** INTEGER of an unsigned magnitude: minimal octets, never negative (X.690 8.3). */
  unsignedInteger(magnitude: Uint8Array): void {
    const end = this.length;
    let leading = 0;
    while (leading < magnitude.length - 1 && magnitude[leading] === 0) leading++;
    this.bytes(leading === 0 ? magnitude : magnitude.subarray(leading));
    if (this.length === end || (this.#buffer[this.#start] ?? 0) & 0x80) this.#octet(0);
    this.wrap(TAG.integer, end);
  }

  /** What was written. Valid until the writer is used again. */
  view(): Buffer {
    return this.#buffer.subarray(this.#start);
  }

  #octet(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#start] = value;
  }

  #reserve(octets: number): void {
    if (octets > this.#start) {
      const found = `${this.length + octets}`;
      throw new KeysteadError('Internal', `certificate: expected at most ${CAPACITY} octets, found ${found}`);
    }
    this.#start -= octets;
  }
}
