// SPDX-License-Identifier: Apache-2.0
import { isErrorCode, KeysteadError } from '../errors.ts';
import { Fields } from './fields.ts';
import { OPERATION_NAMES, operationNamed, type OperationName } from './operations/index.ts';
import {
  MAX_REQUEST_ID,
  MAX_RETRY_AFTER_MS,
  PROTOCOL_VERSION,
  type Answer,
  type Request,
  type WireError,
} from './protocol.ts';

/** A request that cannot be read; `id` is that of the request where it could be made out. */
export class MalformedRequest extends Error {
  readonly id: number | undefined;
  override readonly cause: KeysteadError;

  constructor(id: number | undefined, cause: KeysteadError) {
    super(cause.message);
    this.id = id;
    this.cause = cause;
  }
}

/** What a request says before its body is looked at. */
export interface Envelope {
  readonly id: number;
  readonly operation: OperationName;
  /** The whole request as it came. */
  readonly text: string;
  readonly fields: Fields;
}

/** Reads the contents of a frame as far as it must be known who answers the request. Throws MalformedRequest. */
export function readEnvelope(text: string): Envelope {
  let id: number | undefined;
  try {
    const fields = new Fields(parse(text), '');
    id = fields.integer('id', 1, MAX_REQUEST_ID);
    fields.integer('v', PROTOCOL_VERSION, PROTOCOL_VERSION);
    return { id, operation: fields.oneOf('op', OPERATION_NAMES), text, fields };
  } catch (thrown) {
    throw thrown instanceof KeysteadError ? new MalformedRequest(id, thrown) : thrown;
  }
}

/** Reads the body that an envelope holds. Throws MalformedRequest. */
export function openEnvelope({ id, operation, fields }: Envelope): Request {
  try {
    return { id, operation, body: operationNamed(operation).decodeBody(fields) } as Request;
  } catch (thrown) {
    throw thrown instanceof KeysteadError ? new MalformedRequest(id, thrown) : thrown;
  }
}

/** A request as it goes over the socket. */
export function encodeRequest(request: Request): unknown {
  const { id, operation, body } = request;
  return { v: PROTOCOL_VERSION, id, op: operation, body: operationNamed(operation).encodeBody(body) };
}

/** An answer as it goes over the socket. */
export function encodeAnswer(answer: Answer): unknown {
  return { v: PROTOCOL_VERSION, ...answer };
}

export function errorAnswer(id: number, { code, message, retryAfterMs }: WireError): Answer {
  // Longer ones the other side takes for no answer, and hangs up on all that it waits for.
  const wait = retryAfterMs !== undefined && { retryAfterMs: Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) };
  return { id, error: { code, message, ...wait } };
}

/** Reads a frame's contents as an answer. Throws InvalidRequest where the other side speaks something else. */
export function decodeAnswer(contents: Buffer): Answer {
  const fields = new Fields(parse(contents.toString('utf8')), '');
  fields.integer('v', PROTOCOL_VERSION, PROTOCOL_VERSION);
  const id = fields.integer('id', 0, MAX_REQUEST_ID);
  if (!fields.has('error')) return { id, result: fields.raw('result') };
  const error = fields.object('error');
  const code = error.string('code', 64);
  return {
    id,
    error: {
      code: isErrorCode(code) ? code : 'Internal',
      message: error.string('message', 65_536),
      ...(error.has('retryAfterMs') && { retryAfterMs: error.integer('retryAfterMs', 0, MAX_RETRY_AFTER_MS) }),
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new KeysteadError('InvalidRequest', `frame: expected JSON, found ${text.length} characters that are not`);
  }
}
