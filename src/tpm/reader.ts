// SPDX-License-Identifier: Apache-2.0
import { KeysteadError, type ErrorCode } from '../errors.ts';

/**
 * Reads a TPM's big-endian structures. Trusts nothing: each length is checked against what is left before it is used,
 * and `end` refuses trailing octets. Throws a KeysteadError of the given code that names structure and offset.
 */
export class TpmReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #code: ErrorCode;
  #offset = 0;

  /** `what` names the structure in errors; `code` is for structures that did not come from the TPM just now. */
  constructor(bytes: Buffer, what: string, code: ErrorCode = 'TokenFailed') {
    this.#bytes = bytes;
    this.#what = what;
    this.#code = code;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#advance(8));
  }

  /** The next octets, copied: a response buffer may be used again. */
  bytes(count: number): Buffer {
    const start = this.#advance(count);
    return Buffer.from(this.#bytes.subarray(start, start + count));
  }

  /** A TPM2B: 16-bit length, then as many octets. */
  sized(): Buffer {
    return this.bytes(this.u16());
  }

  /** A TPML: 32-bit count, then as many elements of at least `minimum` octets. A count that cannot fit is refused. */
  list<T>(minimum: number, element: (reader: this) => T): T[] {
    const count = this.u32();
    if (count * minimum > this.remaining) {
      throw this.fail(`a list of ${count} elements in the ${this.remaining} octets that are left`);
    }
    return Array.from({ length: count }, () => element(this));
  }

  /** All that is left. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }

  /** Refuses octets that nobody asked for. */
  end(): void {
    if (this.remaining > 0) throw this.fail(`${this.remaining} octets after its end`);
  }

  /** An error about this structure, for values that are well-formed but not acceptable. */
  fail(found: string): KeysteadError {
    return new KeysteadError(this.#code, `malformed ${this.#what} at octet ${this.#offset}: found ${found}`);
  }

  #advance(count: number): number {
    if (count > this.remaining) throw this.fail(`an end where ${count} octets should be (${this.remaining} are left)`);
    const start = this.#offset;
    this.#offset += count;
    return start;
  }
}
