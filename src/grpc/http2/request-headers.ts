// SPDX-License-Identifier: Apache-2.0
import { CODE, StreamError } from './error.ts';
import type { Field } from './static-table.ts';

/** Headers of a request by their names in lower case; what is repeated is joined by commas (RFC 9110, section 5.3). */
export type Headers = ReadonlyMap<string, string>;

const PSEUDO = new Set([':method', ':scheme', ':path', ':authority']);
/** They concern a connection, and HTTP/2 has none of them (RFC 9113, section 8.2.2). */
const OF_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
/** RFC 9110, section 5.6.2, without upper case (RFC 9113, section 8.2.1). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** What no value may have (RFC 9113, section 8.2.1). */
const NOT_IN_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

/**
 * The headers of a request, as RFC 9113, section 8.3.1 demands them. An authority is none of them here: a unix socket has
 * but one, and gRPC for Java sends the socket's path, which no URI's authority may contain.
 * Throws StreamError, PROTOCOL_ERROR.
 */
export function requestHeaders(stream: number, fields: readonly Field[]): Headers {
  const headers = new Map<string, string>();
  for (const [name, value] of fields) {
    if (name.startsWith(':')) {
      // All of them are before any other, each once.
      const isFirst = !headers.has(name) && [...headers.keys()].every((before) => before.startsWith(':'));
      if (!PSEUDO.has(name) || !isFirst) throw malformed(stream, name);
      headers.set(name, value);
    } else {
      requireField(stream, [name, value]);
      const before = headers.get(name);
      headers.set(name, before === undefined ? value : `${before}, ${value}`);
    }
  }
  for (const name of [':method', ':scheme', ':path']) if (!headers.get(name)) throw malformed(stream, name);
  return headers;
}

/** What follows the body of a request (section 8.1). Throws StreamError, PROTOCOL_ERROR. */
export function requireTrailers(stream: number, fields: readonly Field[]): void {
  for (const field of fields) requireField(stream, field);
}

function requireField(stream: number, [name, value]: Field): void {
  if (!NAME.test(name) || NOT_IN_VALUE.test(value) || OF_CONNECTION.has(name)) throw malformed(stream, name);
  if (name === 'te' && value !== 'trailers') throw malformed(stream, name);
}

/** Length of the body that the headers announce; undefined where they do not. Throws StreamError, PROTOCOL_ERROR. */
export function contentLength(stream: number, headers: Headers): number | undefined {
  const value = headers.get('content-length');
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw malformed(stream, 'content-length');
  return Number(value);
}

function malformed(stream: number, name: string): StreamError {
  return new StreamError(
    stream,
    CODE.protocol,
    `headers of a request: ${JSON.stringify(name.slice(0, 40))} is not as it must be`,
  );
}
