// SPDX-License-Identifier: Apache-2.0
import { setTimeout } from 'node:timers/promises';
import type { PublishedVolume } from '../../deliver/port.ts';
import type { Logger } from '../../log.ts';
import type { Callers } from '../callers.ts';
import { PeerServer } from '../peer-server.ts';
import { HttpServer } from './http-server.ts';
import type { IotEdgePorts } from './port.ts';
import { IotEdgeService } from './service.ts';

const DRAIN_POLL_MS = 10;

export interface IotEdgeApiOptions {
  /** Those of the other sockets: a process is measured once for all of them. */
  readonly callers: Pick<Callers, 'admit'>;
  readonly ports: IotEdgePorts;
  readonly log: Logger;
  /** Name of the socket in each volume. */
  readonly socket: string;
  /** Volume attribute that names an identity. */
  readonly identityAttribute: string;
}

/** The IoT Edge Workload API on a socket in the volumes of the pods that ask for it. */
export class IotEdgeApi {
  readonly #http: HttpServer;
  readonly #peers: PeerServer;

  constructor({ callers, ports, log, socket, identityAttribute }: IotEdgeApiOptions) {
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

  /** Another agent has taken the sockets: answers what is asked already. Resolves when nobody is left, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#http.stop();
    const deadline = performance.now() + graceMs;
    while (this.connections > 0 && performance.now() < deadline) await setTimeout(DRAIN_POLL_MS);
  }

  /** Stops serving; the sockets' files stay for the next agent. */
  stop(): void {
    this.#http.stop();
    this.#peers.stop();
  }
}
