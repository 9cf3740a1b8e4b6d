// SPDX-License-Identifier: Apache-2.0
import type { PublishedVolume } from '../../deliver/port.ts';
import type { Logger } from '../../log.ts';
import type { HeldSockets } from '../../os/held-sockets.ts';
import type { Callers } from '../callers.ts';
import { PeerServer } from '../peer-server.ts';
import type { IncarnationOf } from '../port.ts';
import { HttpServer } from './http-server.ts';
import type { IotEdgePorts } from './port.ts';
import { IotEdgeService } from './service.ts';

export interface IotEdgeApiOptions {
  /** Those of the other sockets: a process is measured once for all of them. */
  readonly callers: Pick<Callers, 'admit'>;
  readonly ports: IotEdgePorts;
  readonly incarnationOf: IncarnationOf;
  readonly log: Logger;
  /** Keeps the sockets open while this process restarts. */
  readonly held: HeldSockets;
  /** Name of the socket in each volume. */
  readonly socket: string;
  /** Volume attribute that names an identity. */
  readonly identityAttribute: string;
}

/** The IoT Edge Workload API on a socket in the volumes of the pods that ask for it. */
export class IotEdgeApi {
  readonly #http: HttpServer;
  readonly #peers: PeerServer;

  constructor({ callers, ports, incarnationOf, log, held, socket, identityAttribute }: IotEdgeApiOptions) {
    this.#http = new HttpServer({
      service: new IotEdgeService({ callers, ports }),
      caller: (address) => this.#peers.caller(address),
      log,
    });
    this.#peers = new PeerServer({
      serve: (connection) => this.#http.serve(connection),
      turnAway: (connection, expected) => this.#http.turnAway(connection, expected),
      name: socket,
      identityAttribute,
      incarnationOf,
      held,
      log,
    });
  }

  open(volume: PublishedVolume): void {
    this.#peers.open(volume);
  }

  /** Serves again in those volumes that the agent before this one served in. */
  resume(volumes: readonly PublishedVolume[]): void {
    this.#peers.resume(volumes);
  }

  close(volume: Pick<PublishedVolume, 'volumeId'>): void {
    this.#peers.close(volume);
  }

  /** Open connections, for metrics. */
  get connections(): number {
    return this.#peers.connections;
  }

  /**
   * Another agent has taken the sockets: answers what is asked on the connections that are open, and has their clients
   * connect again. Resolves when none is left, or after `graceMs`.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#peers.giveWay();
    this.#http.drain();
    await this.#peers.whenEmpty(graceMs);
  }

  /** Stops serving; the sockets' files stay for the next agent. */
  stop(): void {
    this.#http.stop();
    this.#peers.stop();
  }
}
