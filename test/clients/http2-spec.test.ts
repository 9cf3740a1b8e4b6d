// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { Http2Connection } from '../../src/grpc/http2/connection.ts';
import { encodeHeaders } from '../../src/grpc/http2/header-encoder.ts';
import type { Http2Stream } from '../../src/grpc/http2/stream.ts';

/** h2spec, a conformance test of HTTP/2 and HPACK that nobody here wrote, against the HTTP/2 of the pods' sockets. */
const BODY = Buffer.from('an answer');
/** Long enough for all streams of a burst to be open at the same time. */
const ANSWER_MS = 100;
let server: Server;

function answer(stream: Http2Stream): void {
  stream.reader = {
    data: (chunk) => stream.credit(chunk.length),
    end: () => {
      setTimeout(() => {
        stream.respond(encodeHeaders(200, {}));
        stream.write(BODY);
        stream.end(encodeHeaders(undefined, { 'x-end': 'yes' }));
      }, ANSWER_MS);
    },
    close: () => undefined,
    drain: () => undefined,
  };
}

beforeAll(async () => {
  server = createServer((socket) => {
    new Http2Connection(socket, { maxStreams: 100, onStream: answer, onClose: () => undefined });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => void server.close());

/** Its report; it exits with 1 where anything failed. */
function h2spec(...args: readonly string[]): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const all = ['tool', 'h2spec', '-h', '127.0.0.1', '-p', String(port), '-o', '2', ...args];
  return new Promise((resolve) => {
    execFile('go', all, { cwd: join(import.meta.dirname, 'go-h2spec'), maxBuffer: 2 ** 24 }, (_, stdout, stderr) => {
      resolve(stdout + stderr);
    });
  });
}

describe('h2spec', () => {
  it('finds nothing wrong but what RFC 9113 has given up: that a stream may not depend on itself', async () => {
    const report = await h2spec();
    const failures = report.slice(report.indexOf('Failures:')).match(/× \d+: .*/g);
    expect(failures).toEqual([
      '× 1: Sends HEADERS frame that depend on itself',
      '× 2: Sends PRIORITY frame that depend on itself',
    ]);
    expect(report).toMatch(/^145 tests, 143 passed, 0 skipped, 2 failed$/m);
  }, 300_000);
});
