// SPDX-License-Identifier: Apache-2.0
import { ERROR_CODES, KeysteadError, type ErrorCode } from '../errors.ts';
import { decodeConfiguration } from './configuration.ts';
import { Fields } from './fields.ts';
import type { CertificateRequest, IssuedCertificate, Requester } from './port.ts';
import { MAX_REQUEST_ID, OPERATIONS, PROTOCOL_VERSION, type Answer, type Request } from './protocol.ts';

/** Longer texts about the requester are refused: they end up in log lines. */
const MAX_NAME = 512;
const MAX_DNS_NAME = 253;
const MAX_NAMES = 64;
const MAX_SPIFFE_ID = 2048;
const MAX_PUBLIC_KEY_BYTES = 1024;
const MAX_SECONDS = 2 ** 40;
const MAX_PID = 2 ** 22;

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
    return { id, ...decodeOperation(fields) };
  } catch (thrown) {
    if (thrown instanceof KeysteadError) throw new MalformedRequest(id, thrown);
    throw thrown;
  }
}

type WithoutId<R> = R extends unknown ? Omit<R, 'id'> : never;

function decodeOperation(fields: Fields): WithoutId<Request> {
  const operation = fields.oneOf('op', OPERATIONS);
  switch (operation) {
    case 'configure':
      return { operation, body: decodeConfiguration(fields.raw('body')) };
    case 'issue':
      return { operation, body: decodeCertificateRequest(fields.object('body')) };
    case 'status':
    case 'metrics':
      return { operation, body: {} };
  }
}

function decodeCertificateRequest(fields: Fields): CertificateRequest {
  return {
    spiffeId: fields.string('spiffeId', MAX_SPIFFE_ID),
    publicKey: fields.bytes('publicKey', MAX_PUBLIC_KEY_BYTES),
    dnsNames: fields.strings('dnsNames', MAX_NAMES, MAX_DNS_NAME),
    lifetimeSeconds: fields.integer('lifetimeSeconds', -MAX_SECONDS, MAX_SECONDS),
    requester: decodeRequester(fields.object('requester')),
  };
}

function decodeRequester(fields: Fields): Requester {
  return {
    module: fields.string('module', MAX_NAME),
    identity: fields.string('identity', MAX_NAME),
    pod: fields.string('pod', MAX_NAME),
    podUid: fields.string('podUid', MAX_NAME),
    container: fields.string('container', MAX_NAME),
    ...(fields.has('pid') && { pid: fields.integer('pid', 1, MAX_PID) }),
    imageDigest: fields.string('imageDigest', MAX_NAME),
  };
}

/** A request as it goes over the socket. */
export function encodeRequest(request: Request): unknown {
  const { id, operation, body } = request;
  const wire = operation === 'issue' ? { ...body, publicKey: body.publicKey.toString('base64') } : body;
  return { v: PROTOCOL_VERSION, id, op: operation, body: wire };
}

/** An answer as it goes over the socket. */
export function encodeAnswer(answer: Answer): unknown {
  return { v: PROTOCOL_VERSION, ...answer };
}

export function encodeIssued(issued: IssuedCertificate): unknown {
  return { ...issued, chain: issued.chain.map((der) => der.toString('base64')) };
}

/** Throws InvalidRequest where the notary's answer is not a certificate. */
export function decodeIssued(result: unknown): IssuedCertificate {
  const fields = new Fields(result, 'result');
  return {
    chain: fields.strings('chain', 8, MAX_ANSWERED_BASE64).map((text) => Buffer.from(text, 'base64')),
    serial: fields.string('serial', 40),
    notBefore: fields.integer('notBefore', 0, Number.MAX_SAFE_INTEGER),
    notAfter: fields.integer('notAfter', 0, Number.MAX_SAFE_INTEGER),
  };
}

const MAX_ANSWERED_BASE64 = 64 * 1024;

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

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

function parse(contents: Buffer): unknown {
  try {
    return JSON.parse(contents.toString('utf8')) as unknown;
  } catch {
    throw new KeysteadError('InvalidRequest', `frame: expected JSON, found ${contents.length} bytes that are not`);
  }
}
