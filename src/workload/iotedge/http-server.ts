// SPDX-License-Identifier: Apache-2.0
import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Caller } from '../port.ts';
import { requireApiVersion } from './api-version.ts';
import { jsonObject, readBody } from './body.ts';
import { asHttpFailure, HttpFailure } from './http-failure.ts';
import { PodTurns } from '../pod-turns.ts';
import { routeOf, splitTarget, type Route } from './route.ts';
import type { Answer, IotEdgeService } from './service.ts';

/** Bounds on what a connection may send, and how slowly. */
const LIMITS = {
  /** As long as what the notary takes in, in base64 and JSON. */
  bodyBytes: 48 * 1024,
  headerBytes: 16 * 1024,
  headers: 64,
  headersMs: 5_000,
  requestMs: 15_000,
  idleMs: 60_000,
  /** How long a client that was refused may take to read why. */
  lingerMs: 1_000,
} as const;

/** One for all: each answer ends so, and an exception made for each is costly. */
const GONE = new Error('the caller waits no longer');

export interface HttpServerParts {
  readonly service: Pick<IotEdgeService, 'answer'>;
  /** The process behind a connection, by the address that it was given; undefined where it has ended. */
  caller(address: string): Caller | undefined;
  readonly log: Logger;
}

/** Speaks HTTP/1.1 on connections that are given to it, and finds every error an answer in the API's own form. */
export class HttpServer {
  readonly #parts: HttpServerParts;
  readonly #turns = new PodTurns();
  readonly #server: Server;
  #stopping = false;

  constructor(parts: HttpServerParts) {
    this.#parts = parts;
    this.#server = createServer(
      {
        maxHeaderSize: LIMITS.headerBytes,
        headersTimeout: LIMITS.headersMs,
        requestTimeout: LIMITS.requestMs,
        keepAliveTimeout: LIMITS.idleMs,
        connectionsCheckingInterval: 1_000,
        // Clients on a unix socket have no host to name; the original asks for none.
        requireHostHeader: false,
      },
      (request, response) => void this.#handle(request, response),
    );
    this.#server.maxHeadersCount = LIMITS.headers;
    this.#server.on('clientError', (error: Error & { code?: string }, socket: Socket) => {
      refuse(socket, clientFailure(error.code));
    });
    // The time limits are watched from then on; the server itself listens nowhere.
    this.#server.emit('listening');
  }

  /** Serves on a connection, whose `remoteAddress` names the caller. */
  serve(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  /** Turns away a connection that is one too many, with an answer that says so. */
  turnAway(socket: Socket, expected: string): void {
    refuse(socket, new HttpFailure(429, `Overloaded: expected ${expected}; close some, or try again`));
  }

  /** From now on each answer is the last of its connection. */
  drain(): void {
    this.#stopping = true;
  }

  /** Closes what is idle; what is asked already is answered, and its connection closed with the answer. */
  stop(): void {
    this.#stopping = true;
    this.#server.closeIdleConnections();
    this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ended = new AbortController();
    response.once('close', () => ended.abort(GONE));
    try {
      const answer = await this.#answer(request, ended.signal);
      if (this.#stopping) response.shouldKeepAlive = false;
      send(response, answer);
    } catch (thrown) {
      const failure = asHttpFailure(thrown);
      this.#tell(request, failure, thrown);
      // What was sent in one piece is then read to its end, and the connection can go on.
      setImmediate(() => fail(request, response, failure));
    }
  }

  #answer(request: IncomingMessage, signal: AbortSignal): Promise<Answer> {
    const route = requestedRoute(request);
    const caller = this.#parts.caller(request.socket.remoteAddress ?? '');
    if (!caller) throw new KeysteadError('PermissionDenied', 'CallerGone: the connection has ended');
    return this.#turns.run(caller.podUid, async () => {
      const content = await readBody(request, LIMITS.bodyBytes);
      const body = route.method === 'POST' ? jsonObject(content, request.headers['content-type']) : undefined;
      return this.#parts.service.answer(route, { caller, body, signal });
    });
  }

  #tell(request: IncomingMessage, { status, message }: HttpFailure, thrown: unknown): void {
    const { podUid } = this.#parts.caller(request.socket.remoteAddress ?? '') ?? {};
    const about = { podUid, method: request.method, path: splitTarget(request.url ?? '').path.slice(0, 256), status };
    // Inner causes go to the log alone.
    if (status === 500) this.#parts.log.error({ ...about, err: asKeysteadError(thrown).message }, 'call failed');
    else this.#parts.log.info({ ...about, err: message.slice(0, 512) }, 'call refused');
  }
}

/** Throws HttpFailure in the order of the original: version, path, method. */
function requestedRoute({ url = '', method }: IncomingMessage): Route {
  const { path, query } = splitTarget(url);
  requireApiVersion(query);
  const route = routeOf(path);
  if (route.method !== method) throw new HttpFailure(400, 'method not allowed');
  return route;
}

function send(response: ServerResponse, { status, body }: Answer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** A body that was not read to its end leaves the connection where the next request cannot be found. */
function fail(request: IncomingMessage, response: ServerResponse, failure: HttpFailure): void {
  if (response.destroyed) return;
  const { status, body, headers } = failure;
  const close = request.complete ? {} : { connection: 'close' };
  const content = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  response.writeHead(status, { ...content, ...headers, ...close });
  response.end(body);
  if (request.complete) return;
  request.resume();
  setTimeout(() => request.socket.destroy(), LIMITS.lingerMs).unref();
}

function clientFailure(code: string | undefined): HttpFailure {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new HttpFailure(431, `request headers: expected at most ${LIMITS.headerBytes} bytes`);
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new HttpFailure(408, 'deadline has elapsed');
  return new HttpFailure(400, 'invalid HTTP request');
}

/** Answers without a request that could be answered, and hangs up. */
function refuse(socket: Socket, { status, body, headers }: HttpFailure): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  // What it still sends is thrown away, so that it can read the answer before it is cut off.
  socket.resume();
  setTimeout(() => socket.destroy(), LIMITS.lingerMs).unref();
}
