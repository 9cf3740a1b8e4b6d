// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { asKeysteadError } from '../errors.ts';
import { ClientFrames, forbidsPushTwice } from '../grpc/client-frames.ts';
import type { Logger } from '../log.ts';
import { socketPair } from '../os/socket-pair.ts';

type Serve = (socket: Socket) => void;

/** Callers that are remembered to need no front; more than a node has processes that connect again and again. */
const MAX_PLAIN = 4_096;

/**
 * Stands before the gRPC server for those clients that name the socket's path as the authority of their calls, as gRPC for
 * Java does: Node's HTTP/2 refuses such a call. Their connections are led through `ClientFrames`; all others are served
 * as they are, and of a process that has shown itself to need no front not even the first octets are looked at.
 */
export class GrpcFront {
  readonly #serve: Serve;
  readonly #log: Logger;
  readonly #plain = new Set<string>();

  constructor(serve: Serve, log: Logger) {
    this.#serve = serve;
    this.#log = log;
  }

  /** `caller` names the process behind the connection; a name that is used again costs its new owner a refused call at most. */
  serve(socket: Socket, caller: string): void {
    if (this.#plain.has(caller)) {
      this.#serve(socket);
      return;
    }
    let first = Buffer.alloc(0);
    const look = (): void => {
      const octets = socket.read() as Buffer | null;
      if (octets === null) return;
      first = Buffer.concat([first, octets]);
      const needsFront = forbidsPushTwice(first);
      if (needsFront === undefined) return;
      socket.off('readable', look);
      socket.unshift(first);
      if (needsFront) this.#lead(socket);
      else this.#serveAsIs(socket, caller);
    };
    socket.on('readable', look);
  }

  #serveAsIs(socket: Socket, caller: string): void {
    if (this.#plain.size >= MAX_PLAIN) this.#plain.clear();
    this.#plain.add(caller);
    this.#serve(socket);
  }

  #lead(client: Socket): void {
    const pair = this.#pair();
    if (!pair) {
      client.destroy();
      return;
    }
    const [outer, inner] = pair;
    inner.on('error', () => inner.destroy());
    Object.defineProperty(inner, 'remoteAddress', { value: client.remoteAddress });
    this.#serve(inner);
    // Whichever end closes, the other one is closed.
    pipeline(client, new ClientFrames(), outer, () => outer.destroy());
    pipeline(outer, client, () => client.destroy());
  }

  #pair(): [Socket, Socket] | undefined {
    try {
      return socketPair();
    } catch (error) {
      this.#log.warn({ err: asKeysteadError(error).message }, 'connection cannot be served');
      return undefined;
    }
  }
}
