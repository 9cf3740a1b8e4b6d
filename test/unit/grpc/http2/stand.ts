// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Http2Connection, type StreamRoom } from '../../../../src/grpc/http2/connection.ts';
import { encodeHeaders } from '../../../../src/grpc/http2/header-encoder.ts';
import type { Http2Stream } from '../../../../src/grpc/http2/stream.ts';
import { callHeaders, END_HEADERS, FRAME, frame } from '../../../integration/workload/http2-frames.ts';

export const MAX_STREAMS = 4;

/** Connections that are served as a test says. */
export class Http2Stand {
  readonly connections: Http2Connection[] = [];
  /** Connections that have ended. */
  closed = 0;
  /** What is done with each request; by default it is answered with its own body. */
  serve: (stream: Http2Stream) => void = echo;
  /** What later connections share. */
  room: StreamRoom | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), 'keystead-http2-'));
  readonly #server: Server;

  constructor() {
    this.#server = createServer((socket) => {
      const onStream = (stream: Http2Stream): void => this.serve(stream);
      const onClose = (): void => {
        this.closed++;
      };
      const { room } = this;
      this.connections.push(new Http2Connection(socket, { maxStreams: MAX_STREAMS, room, onStream, onClose }));
    });
  }

  async open(): Promise<void> {
    this.#server.listen(join(this.#folder, 's'));
    await once(this.#server, 'listening');
  }

  connect(): Socket {
    return connect(join(this.#folder, 's')).on('error', () => undefined);
  }

  close(): void {
    for (const connection of this.connections) connection.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Answers with what came. */
function echo(stream: Http2Stream): void {
  const chunks: Buffer[] = [];
  stream.reader = {
    data: (chunk) => {
      chunks.push(chunk);
      stream.credit(chunk.length);
    },
    end: () => {
      stream.respond(encodeHeaders(200, { 'x-path': stream.headers.get(':path') ?? '' }));
      stream.write(Buffer.concat(chunks));
      stream.end(encodeHeaders(undefined, { 'x-end': 'yes' }));
    },
    close: () => undefined,
    drain: () => undefined,
  };
}

/** Headers of a request. */
export const headers = callHeaders('/', 'localhost');
export const request = (stream: number, flags = END_HEADERS, block = headers): Buffer =>
  frame(FRAME.headers, flags, stream, block);

export function number(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}
