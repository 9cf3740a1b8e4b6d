// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { PublishedVolume } from '../deliver/port.ts';
import { asKeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { HeldSockets } from '../os/held-sockets.ts';
import { peerPidfd } from '../os/peer-pidfd.ts';
import type { Pidfd } from '../os/pidfd.ts';
import { Roster } from '../roster.ts';
import { hasSocket, PodSocket } from './pod-socket.ts';
import type { Caller, IncarnationOf } from './port.ts';

export interface PeerServerOptions {
  /** Serves the calls of a connection; a handler finds its caller by the `remoteAddress` that the socket has now. */
  readonly serve: (socket: Socket) => void;
  /** Answers a connection that is one too many, and ends it. By default it is hung up on. */
  readonly turnAway?: (socket: Socket, expected: string) => void;
  /** Name of the socket in each volume. */
  readonly name: string;
  /** Volume attribute that names an identity. */
  readonly identityAttribute: string;
  readonly log: Logger;
  readonly incarnationOf: IncarnationOf;
  /** Keeps the sockets open while this process restarts. */
  readonly held: HeldSockets;
  /** Open connections that one pod may have. Default 256. */
  readonly connectionsPerPod?: number;
}

const EMPTY_POLL_MS = 10;
/** How long connections may wait to be taken on a busy node. */
const STRAGGLERS_MS = 200;
/** Connections that may be open only to be told that they are too many. */
const MAX_TURNED_AWAY = 64;

interface Connection extends Caller {
  /** Address by which handlers know it. No other connection has it, before or after: its number and a count. */
  tag: string;
  readonly volumeId: string;
  readonly socket: Socket;
}

/**
 * Takes the connections of all pods' sockets and knows of each which pod's it is and which process opened it. One server
 * serves them all: each connection gets an address of its own, which the handler sees as its peer.
 */
export class PeerServer {
  readonly #options: PeerServerOptions;
  readonly #sockets = new Map<string, { readonly volume: PublishedVolume; readonly socket: PodSocket }>();
  readonly #connections = new Roster<Connection>();
  readonly #perPod = new Map<string, number>();
  #counter = 0;
  #turnedAway = 0;
  #stopped = false;

  constructor(options: PeerServerOptions) {
    this.#options = options;
  }

  /**
   * Serves in a volume; does nothing where it does already. A failure, as of a volume that is gone, is logged and tried
   * again by the next call: it must not keep files from a pod.
   */
  open(volume: PublishedVolume): void {
    const { volumeId, podUid, targetPath, owner } = volume;
    const { name, log, held } = this.#options;
    if (this.#stopped || this.#sockets.has(volumeId)) return;
    try {
      const place = { directory: targetPath, name, key: `${volumeId}/${name}`, held, ...(owner && { owner }) };
      const socket = new PodSocket(place, (peer) => this.#accept(peer, volume));
      this.#sockets.set(volumeId, { volume, socket });
    } catch (error) {
      log.warn({ err: asKeysteadError(error).message, volume: volumeId, podUid, name }, 'no socket in this volume');
    }
  }

  /** Serves again in those volumes that the process before this one served in. */
  resume(volumes: readonly PublishedVolume[]): void {
    for (const volume of volumes) if (hasSocket(volume.targetPath, this.#options.name)) this.open(volume);
  }

  /** Ends a volume's socket and every connection through it. */
  close({ volumeId }: Pick<PublishedVolume, 'volumeId'>): void {
    this.#sockets.get(volumeId)?.socket.close({ remove: true });
    this.#sockets.delete(volumeId);
    for (const connection of this.#connections.all()) {
      if (connection.volumeId === volumeId) connection.socket.destroy();
    }
  }

  /**
   * Another process has put its sockets in place of these: takes those connections that were made to these before, and
   * then no more, for good. Those that are open stay.
   */
  async giveWay(): Promise<void> {
    this.#stopped = true;
    await setTimeout(STRAGGLERS_MS);
    // After the event loop has looked for connections once more, however late the timer came.
    await setImmediate();
    this.#stopListening();
  }

  #stopListening(): void {
    this.#stopped = true;
    for (const { socket } of this.#sockets.values()) socket.close({ remove: false });
    this.#sockets.clear();
  }

  /** Resolves when no connection is open, or after a while. */
  async whenEmpty(milliseconds: number): Promise<void> {
    const deadline = performance.now() + milliseconds;
    while (this.#connections.size > 0 && performance.now() < deadline) await setTimeout(EMPTY_POLL_MS);
  }

  /** Stops serving. The sockets' files stay where they are: the next agent takes their place by rename. */
  stop(): void {
    this.#stopListening();
    for (const { socket } of this.#connections.all()) socket.destroy();
  }

  /** The process behind a call, by the call's peer address. Undefined where its connection has ended. */
  caller(peer: string): Caller | undefined {
    const connection = this.#connections.at(Number(peer.slice(peer.indexOf('/') + 1)));
    return connection?.tag === peer ? connection : undefined;
  }

  /** Open connections, for metrics. */
  get connections(): number {
    return this.#connections.size;
  }

  #accept(socket: Socket, volume: PublishedVolume): void {
    const { log, identityAttribute, incarnationOf, connectionsPerPod = 256 } = this.#options;
    const { podUid, volumeId, attributes } = volume;
    // A peer that resets must not end the agent.
    socket.on('error', (error) => log.debug({ err: error.message, podUid }, 'connection failed'));
    const open = this.#perPod.get(podUid) ?? 0;
    if (open >= connectionsPerPod) {
      this.#turnAway(socket, `at most ${connectionsPerPod} connections of one pod, found one more`);
      return;
    }
    const pidfd = this.#peer(socket, podUid);
    if (pidfd === undefined) {
      socket.destroy();
      return;
    }
    const { pid } = pidfd;
    const identity = attributes[identityAttribute];
    const incarnation = (): string | undefined => incarnationOf(pidfd);
    const connection: Connection = { podUid, identity, pid, incarnation, volumeId, socket, tag: '' };
    const number = this.#connections.add(connection);
    connection.tag = `unix:${++this.#counter}/${number}`;
    this.#perPod.set(podUid, open + 1);
    socket.once('close', () => {
      pidfd.close();
      this.#ended(number, connection);
    });
    // The one property that servers ask for the peer's address and a unix socket does not have.
    Object.defineProperty(socket, 'remoteAddress', { value: connection.tag });
    this.#options.serve(socket);
  }

  /** An answer takes a moment to be read; a flood is just hung up on. */
  #turnAway(socket: Socket, expected: string): void {
    const { turnAway } = this.#options;
    if (turnAway === undefined || this.#turnedAway >= MAX_TURNED_AWAY) {
      socket.destroy();
      return;
    }
    this.#turnedAway++;
    socket.once('close', () => this.#turnedAway--);
    turnAway(socket, expected);
  }

  #peer(socket: Socket, podUid: string): Pidfd | undefined {
    try {
      return peerPidfd(socket);
    } catch (error) {
      this.#options.log.warn({ err: asKeysteadError(error).message, podUid }, 'caller cannot be told');
      return undefined;
    }
  }

  #ended(number: number, connection: Connection): void {
    const { podUid } = connection;
    this.#connections.remove(number, connection);
    const left = (this.#perPod.get(podUid) ?? 1) - 1;
    if (left === 0) this.#perPod.delete(podUid);
    else this.#perPod.set(podUid, left);
  }
}
