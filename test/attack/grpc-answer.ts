// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';

/** What a gRPC server answered to the first call of a connection. */
export interface GrpcAnswer {
  /** Undefined while the call is open. */
  readonly status: number | undefined;
  readonly message: string;
  /** Bytes of messages, without their five bytes of length each. */
  readonly bytes: number;
}

/**
 * Reads the octets that a server has sent over a connection, recorded elsewhere: they are played to a client that makes
 * the same call.
 */
export async function grpcAnswer(recorded: Buffer): Promise<GrpcAnswer> {
  const wire = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const session = connect('http://localhost', { createConnection: () => wire });
  session.on('error', () => undefined);
  const call = session.request({ ':method': 'POST', ':path': '/' }, { endStream: true });
  call.on('error', () => undefined);
  let headers: IncomingHttpHeaders = {};
  let bytes = 0;
  call.on('response', (found) => (headers = { ...headers, ...found }));
  call.on('trailers', (found: IncomingHttpHeaders) => (headers = { ...headers, ...found }));
  call.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const closed = once(wire, 'end').catch(() => undefined);
  wire.resume();
  // The request must have gone out before it can be answered.
  await new Promise((done) => setImmediate(done));
  wire.push(recorded);
  wire.push(null);
  await closed;
  await new Promise((done) => setImmediate(done));
  session.destroy();
  const status = headers['grpc-status'];
  return {
    status: status === undefined ? undefined : Number(status),
    message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
    bytes: Math.max(0, bytes - 5),
  };
}
