// SPDX-License-Identifier: Apache-2.0
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { peerCredentials, type PeerCredentials } from '../os/peer.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import type { NotaryMetrics } from './metrics.ts';

export interface NotaryServerOptions {
  readonly path: string;
  /** Permissions of the socket; callers are told apart by credentials, this only keeps the curious out. */
  readonly mode: number;
  /** The one user that may call. */
  readonly callerUid: number;
  /** Whether a process is in the notary's own pod, as the agent is; undefined where that cannot be told. */
  readonly isInSamePod: (pid: number) => boolean | undefined;
  /** Sees to it that a request is answered. */
  readonly handle: ConnectionOptions['handle'];
  readonly metrics: NotaryMetrics;
  readonly log: Logger;
  /** Makes the records of what was done durable; called before answers leave. */
  readonly commit: () => void;
}

/** The agent needs one connection, and a second while it restarts. */
const MAX_CONNECTIONS = 16;
/** Told to who connects once too often, milliseconds. */
const RETRY_AFTER_MS = 1_000;
/** How long requests in flight may take at shutdown, milliseconds. */
const DRAIN_MS = 5_000;
const DRAIN_POLL_MS = 10;

/** Listens for the agent on a unix socket and lets nobody else in. */
export class NotaryServer {
  readonly #options: NotaryServerOptions;
  readonly #answered = new Set<Connection>();
  #flushScheduled = false;
  readonly #connections = new Map<Socket, Connection>();
  readonly #server: Server;

  constructor(options: NotaryServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** Resolves when it listens. Throws InvalidConfiguration where the path is not usable or somebody listens there. */
  async listen(): Promise<void> {
    const { path, mode } = this.#options;
    if (await isAlive(path)) {
      throw new KeysteadError(
        'InvalidConfiguration',
        `another notary listens at ${path}; stop it, or choose another path`,
      );
    }
    try {
      rmSync(path, { force: true });
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, resolve);
      });
      chmodSync(path, mode);
    } catch (cause) {
      const { message } = asKeysteadError(cause);
      throw new KeysteadError('InvalidConfiguration', `cannot listen at ${path}: ${message}`, { cause });
    }
  }

  /** Takes no more requests, answers those in flight, and hangs up. */
  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#connections.keys()) socket.pause();
    const deadline = performance.now() + DRAIN_MS;
    while (this.#inFlight() > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    for (const socket of this.#connections.keys()) socket.end(() => socket.destroy());
  }

  #inFlight(): number {
    return [...this.#connections.values()].reduce((sum, connection) => sum + connection.inFlight, 0);
  }

  #accept(socket: Socket): void {
    const connection = new Connection({
      socket,
      handle: this.#options.handle,
      answered: (answering) => this.#noteAnswered(answering),
    });
    try {
      this.#admit(socket);
      this.#connections.set(socket, connection);
      socket.on('close', () => this.#connections.delete(socket));
    } catch (thrown) {
      connection.refuse(asKeysteadError(thrown));
    }
  }

  /** Answers wait for the end of the event loop's turn: one commit and one write for all that came in it. */
  #noteAnswered(connection: Connection): void {
    this.#answered.add(connection);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Commits the audit, then lets the answers go. Where it cannot be committed the callers get no answer at all. */
  #flush(): void {
    this.#flushScheduled = false;
    const answered = [...this.#answered];
    this.#answered.clear();
    try {
      this.#options.commit();
      for (const connection of answered) connection.flush();
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      this.#options.log.error({ code: error.code, err: error.message }, 'answers dropped, as they are not recorded');
      const told = error.code === 'Internal' ? new KeysteadError('Unavailable', error.message) : error;
      for (const connection of answered) connection.refuse(told);
    }
  }

  /** Throws PermissionDenied for any other user than the agent's, root included, and for any other pod. */
  #admit(socket: Socket): void {
    const { callerUid, isInSamePod, log } = this.#options;
    const peer = peerCredentials(socket);
    if (peer.uid !== callerUid) this.#refuse(peer, `a caller with uid ${callerUid}, found ${peer.uid}`);
    if (isInSamePod(peer.pid) !== true)
      this.#refuse(peer, `a caller of this pod, found process ${peer.pid} of another`);
    if (this.#connections.size >= MAX_CONNECTIONS) {
      const found = `expected at most ${MAX_CONNECTIONS} connections, found one more`;
      const remedy = `close some, or try again in ${RETRY_AFTER_MS} ms`;
      throw new KeysteadError('Overloaded', `${found}; ${remedy}`, { retryAfterMs: RETRY_AFTER_MS });
    }
    log.debug({ peer }, 'caller connected');
  }

  #refuse(peer: PeerCredentials, expected: string): never {
    const { metrics, log } = this.#options;
    metrics.refusedCallers.inc();
    log.warn({ peer, expected }, 'caller refused');
    throw new KeysteadError('PermissionDenied', `expected ${expected}; only the agent may call the notary`);
  }
}

/** Whether somebody accepts connections at this path; a socket file without a listener is a leftover. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
