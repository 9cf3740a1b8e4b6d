// SPDX-License-Identifier: Apache-2.0
import { KeysteadError, type ErrorCode } from '../errors.ts';

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads the fields of a JSON object that came from outside, each with its expected form. What does not fit is an error
 * that names the field; nothing is converted or guessed. Unknown fields are passed over, so that versions may differ.
 */
export class Fields {
  readonly #object: JsonObject;
  readonly #path: string;
  readonly #code: ErrorCode;

  /** `path` is the object's own name in messages; `code` that of the errors. */
  constructor(value: unknown, path: string, code: ErrorCode = 'InvalidRequest') {
    this.#path = path;
    this.#code = code;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#wrong('', 'an object', value);
    this.#object = value as JsonObject;
  }

  has(name: string): boolean {
    return this.#object[name] !== undefined;
  }

  /** The value as it is, unchecked. */
  raw(name: string): unknown {
    return this.#object[name];
  }

  object(name: string): Fields {
    return new Fields(this.#object[name], this.#name(name), this.#code);
  }

  string(name: string, maxLength: number): string {
    const value = this.#object[name];
    if (typeof value !== 'string' || value.length > maxLength) {
      throw this.#wrong(name, `a string of at most ${maxLength} characters`, value);
    }
    return value;
  }

  integer(name: string, minimum: number, maximum: number): number {
    const value = this.#object[name];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
      throw this.#wrong(name, `an integer from ${minimum} to ${maximum}`, value);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#object[name];
    if (typeof value !== 'boolean') throw this.#wrong(name, 'a boolean', value);
    return value;
  }

  oneOf<const T extends readonly string[]>(name: string, values: T): T[number] {
    const value = this.#object[name];
    if (typeof value !== 'string' || !values.includes(value)) throw this.#wrong(name, values.join(' or '), value);
    return value;
  }

  strings(name: string, maxCount: number, maxLength: number): string[] {
    const value = this.#object[name];
    const fits = (entry: unknown): entry is string => typeof entry === 'string' && entry.length <= maxLength;
    if (!Array.isArray(value) || value.length > maxCount || !value.every(fits)) {
      throw this.#wrong(name, `a list of at most ${maxCount} strings of at most ${maxLength} characters`, value);
    }
    return value;
  }

  objects(name: string, maxCount: number): Fields[] {
    const value = this.#object[name];
    if (!Array.isArray(value) || value.length > maxCount) {
      throw this.#wrong(name, `a list of at most ${maxCount} objects`, value);
    }
    return value.map((entry, index) => new Fields(entry, `${this.#name(name)}[${index}]`, this.#code));
  }

  /** Base64 of RFC 4648 section 4, canonical: encoding the bytes again gives the same text. */
  bytes(name: string, maxBytes: number): Buffer {
    const text = this.string(name, Math.ceil(maxBytes / 3) * 4);
    const bytes = Buffer.from(text, 'base64');
    if (bytes.toString('base64') !== text) throw this.#wrong(name, 'base64', text);
    return bytes;
  }

  /** The same for what must not be shown, not even in an error. */
  secret(name: string, maxBytes: number): Buffer {
    try {
      return this.bytes(name, maxBytes);
    } catch {
      const expected = `base64 of at most ${maxBytes} bytes`;
      throw new KeysteadError(this.#code, `${this.#name(name)}: expected ${expected}, found something else`);
    }
  }

  /** A text that must not be shown, not even in an error. */
  secretString(name: string, maxLength: number): string {
    const value = this.#object[name];
    if (typeof value === 'string' && value.length <= maxLength) return value;
    const expected = `a string of at most ${maxLength} characters`;
    throw new KeysteadError(this.#code, `${this.#name(name)}: expected ${expected}, found something else`);
  }

  /** An absolute path without NUL. */
  path(name: string): string {
    const value = this.string(name, 4095);
    if (!value.startsWith('/') || value.includes('\0')) throw this.#wrong(name, 'an absolute path', value);
    return value;
  }

  #name(name: string): string {
    return this.#path === '' || name === '' ? `${this.#path}${name}` : `${this.#path}.${name}`;
  }

  #wrong(name: string, expected: string, value: unknown): KeysteadError {
    const found = JSON.stringify(value) as string | undefined;
    const shown = found === undefined ? 'nothing' : found.length > 60 ? `${found.slice(0, 60)}…` : found;
    return new KeysteadError(this.#code, `${this.#name(name) || 'the message'}: expected ${expected}, found ${shown}`);
  }
}
