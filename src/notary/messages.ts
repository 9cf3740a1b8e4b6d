// SPDX-License-Identifier: Apache-2.0
import { isErrorCode, KeysteadError } from '../errors.ts';
import { Fields } from './fields.ts';
import { OPERATION_NAMES, operationNamed } from './operations/index.ts';
import { MAX_REQUEST_ID, PROTOCOL_VERSION, type Answer, type Request } from './protocol.ts';

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

/** Reads a frame's contents as a request. Throws MalformedRequest. */
export function decodeRequest(contents: Buffer): Request {
  let id: number | undefined;
  try {
    const fields = new Fields(parse(contents), '');
    id = fields.integer('id', 1, MAX_REQUEST_ID);
    fields.integer('v', PROTOCOL_VERSION, PROTOCOL_VERSION);
    const operation = fields.oneOf('op', OPERATION_NAMES);
    return { id, operation, body: operationNamed(operation).decodeBody(fields) } as Request;
  } catch (thrown) {
    if (thrown instanceof KeysteadError) throw new MalformedRequest(id, thrown);
    throw thrown;
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

/** Reads a frame's contents as an answer. Throws InvalidRequest where the other side speaks something else. */
export function decodeAnswer(contents: Buffer): Answer {
  const fields = new Fields(parse(contents), '');
  fields.integer('v', PROTOCOL_VERSION, PROTOCOL_VERSION);
  const id = fields.integer('id', 0, MAX_REQUEST_ID);
  if (!fields.has('error')) return { id, result: fields.raw('result') };
  const error = fields.object('error');
  const code = error.string('code', 64);
  return { id, error: { code: isErrorCode(code) ? code : 'Internal', message: error.string('message', 65_536) } };
}

function parse(contents: Buffer): unknown {
  try {
    return JSON.parse(contents.toString('utf8')) as unknown;
  } catch {
    throw new KeysteadError('InvalidRequest', `frame: expected JSON, found ${contents.length} bytes that are not`);
  }
}
