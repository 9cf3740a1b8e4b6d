// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { KeysteadError } from '../../errors.ts';
import type { GrpcServer } from '../../grpc/server.ts';
import { errnoOf } from '../../os/files.ts';
import { refusal, type Callers } from './callers.ts';

/** sun_path holds 108 bytes and ends with a zero, see unix(7). */
const MAX_SOCKET_PATH_BYTES = 107;
/** How long open calls may take to end when serving stops, in milliseconds. */
const GRACE_MS = 3000;

/** A gRPC server on a unix socket. */
export interface Serving {
  readonly path: string;
  /** Whether another process has put its own socket in this one's place. */
  readonly replaced: boolean;
  /** Takes the socket away, unless another process has put its own there since, and lets open calls end. */
  stop(): Promise<void>;
}

/**
 * Serves at a socket path that only root may connect to, and no process of a pod, though it is root there and has got hold
 * of the path. What a predecessor left there, dead or still alive, is replaced by one rename: no caller ever finds the path
 * missing, and the predecessor's own clean-up misses ours.
 */
export async function serveAt(server: GrpcServer, path: string, callers: Callers): Promise<Serving> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  // A leading dot keeps the kubelet's plugin watcher from registering the socket before it has its name.
  const temporary = join(dirname(path), `.${randomBytes(4).toString('hex')}`);
  requireShort(path);
  requireShort(temporary);
  const listener = createServer((socket) => {
    const problem = refusal(socket, callers);
    if (problem === undefined) {
      server.serve(socket);
      return;
    }
    callers.log.warn({ path, err: problem }, 'call refused');
    socket.destroy();
  });
  await bind(listener, temporary);
  chmodSync(temporary, 0o600);
  const { ino } = statSync(temporary);
  renameSync(temporary, path);
  return {
    path,
    get replaced() {
      // Where somebody has just taken it away there is nobody to hand over to.
      const found = statSync(path, { throwIfNoEntry: false });
      return found !== undefined && found.ino !== ino;
    },
    async stop() {
      removeOwn(path, ino);
      await shutDown(listener, server);
    },
  };
}

function requireShort(path: string): void {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return;
  throw new KeysteadError(
    'InvalidConfiguration',
    `Socket path ${path} is longer than ${MAX_SOCKET_PATH_BYTES} bytes; the kubelet needs a shorter root directory`,
  );
}

function bind(listener: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', (error) => {
      reject(new KeysteadError('Internal', `Cannot listen on ${path}: ${error.message}`, { cause: error }));
    });
    listener.listen(path, resolve);
  });
}

function removeOwn(path: string, ino: number): void {
  try {
    if (statSync(path).ino === ino) unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** Resolves when the last call has ended, or after the grace. */
function shutDown(listener: Server, server: GrpcServer): Promise<void> {
  return new Promise((resolve) => {
    // Once all connections are closed as well.
    listener.close(() => resolve());
    server.drain(GRACE_MS);
  });
}
