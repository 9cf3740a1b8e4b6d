// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from 'node:http';
import { HttpFailure } from './http-failure.ts';

/** How long a body may take to come in, milliseconds; as with the original. */
const BODY_MS = 5_000;

/**
 * Takes in a request's body, of which never more than `maxBytes` are held.
 * @throws HttpFailure 413 for a longer one, 408 for a slow one, 400 for one that breaks off.
 */
export function readBody(request: IncomingMessage, maxBytes: number, milliseconds = BODY_MS): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLong(maxBytes));
  // One that has broken off before, as while it stood in line, tells of it no more.
  if (request.destroyed) return Promise.reject(brokenOff());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (settled: () => void): void => {
      clearTimeout(timer);
      request.off('data', take).off('end', finish).off('close', breakOff);
      settled();
    };
    const fail = (failure: HttpFailure): void => settle(() => reject(failure));
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) fail(tooLong(maxBytes));
      else chunks.push(chunk);
    };
    const finish = (): void => settle(() => resolve(Buffer.concat(chunks)));
    const breakOff = (): void => fail(brokenOff());
    const timer = setTimeout(() => fail(new HttpFailure(408, 'deadline has elapsed')), milliseconds);
    request.on('data', take).on('end', finish).on('close', breakOff);
  });
}

function brokenOff(): HttpFailure {
  return new HttpFailure(400, 'the request ended before its body');
}

function tooLong(maxBytes: number): HttpFailure {
  return new HttpFailure(413, `request body: expected at most ${maxBytes} bytes`);
}

/**
 * The JSON object in a body. Undefined where there is none, or one of another type: the original passes that over and
 * then misses the body. A type that is not given counts as JSON, since the SDK for Python gives none.
 * @throws HttpFailure 422 where it is not JSON, or no object.
 */
export function jsonObject(body: Buffer, contentType: string | undefined): Record<string, unknown> | undefined {
  if (body.length === 0) return undefined;
  if (contentType !== undefined && contentType.split(';')[0]?.trim() !== 'application/json') return undefined;
  const value = parsed(body);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new HttpFailure(422, `request body: expected a JSON object, found ${value === null ? 'null' : typeof value}`);
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    throw new HttpFailure(422, `request body: expected JSON in UTF-8, found ${body.length} bytes that are not`);
  }
}
