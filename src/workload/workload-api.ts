// SPDX-License-Identifier: Apache-2.0
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { PublishedVolume } from '../deliver/port.ts';
import { SecretDiscoveryService } from '../gen/envoy/service/secret/v3/sds_pb.js';
import { Notary } from '../gen/keystead/notary/v1alpha1/notary_pb.js';
import { SpiffeWorkloadAPI } from '../gen/spiffe/workload_pb.js';
import { addReflection } from '../grpc/reflection.ts';
import { GrpcServer } from '../grpc/server.ts';
import type { Logger } from '../log.ts';
import type { HeldSockets } from '../os/held-sockets.ts';
import { Callers } from './callers.ts';
import { Changes } from './changes.ts';
import { SecretService } from './envoy/service.ts';
import type { NotaryApiPorts } from './notary/port.ts';
import { NotaryApiService } from './notary/service.ts';
import { OpenCalls } from './open-calls.ts';
import { PeerServer } from './peer-server.ts';
import { PodCalls } from './pod-calls.ts';
import { PodStreams } from './pod-streams.ts';
import { PodTurns } from './pod-turns.ts';
import type { IncarnationOf, WorkloadPorts } from './port.ts';
import { ModuleTokens } from './spiffe/module-tokens.ts';
import { SpiffeService } from './spiffe/service.ts';

/** No request of the Workload API comes near it. */
const MAX_REQUEST_BYTES = 64 * 1024;
const SETTLE_MS = 500;
/** Of one connection; all of a pod's streams and calls are counted beside. */
const MAX_STREAMS = 128;

export interface WorkloadApiOptions {
  readonly ports: WorkloadPorts;
  readonly incarnationOf: IncarnationOf;
  /** For the Notary API. */
  readonly notary: NotaryApiPorts;
  readonly log: Logger;
  /** Keeps the sockets open while this process restarts. */
  readonly held: HeldSockets;
  /** Name of the socket in each volume. */
  readonly socket: string;
  /** Volume attribute that names an identity. */
  readonly identityAttribute: string;
}

/** The sockets in the pods' volumes and the gRPC services on them: the SPIFFE Workload API and the Notary API. */
export class WorkloadApi {
  readonly #server: GrpcServer;
  readonly #peers: PeerServer;
  /** Who may call; the other APIs on the pods' sockets ask the same. */
  readonly callers: Callers;
  readonly #changes = new Changes();
  readonly #tokens: ModuleTokens;

  constructor({ ports, notary, log, held, incarnationOf, socket, identityAttribute }: WorkloadApiOptions) {
    const streams = new PodStreams();
    this.#server = new GrpcServer({
      maxRequestBytes: MAX_REQUEST_BYTES,
      maxStreams: MAX_STREAMS,
      roomOf: (peer) => streams.of(this.#peers.caller(peer)?.podUid ?? ''),
    });
    const serve = (connection: Socket): void => this.#server.serve(connection);
    this.#peers = new PeerServer({ serve, name: socket, identityAttribute, held, incarnationOf, log });
    this.callers = new Callers({ ports });
    const now = (): number => Date.now();
    this.#tokens = new ModuleTokens({
      issue: (request) => ports.issueToken(request),
      isPublished: (keyId) => ports.trust().own.keys.some(({ kid }) => kid === keyId),
      now,
    });
    const calls = new PodCalls({
      callers: this.callers,
      changes: this.#changes,
      calls: new OpenCalls(),
      standing: (podUid) => ports.standing(podUid),
      caller: (peer) => this.#peers.caller(peer),
    });
    const common = {
      calls,
      now,
      trust: () => ports.trust(),
      terms: (podUid: string, identity: string) => ports.terms(podUid, identity),
    };
    const spiffe = new SpiffeService({ ...common, token: (request) => this.#tokens.token(request) });
    this.#server.addService(SpiffeWorkloadAPI, spiffe.handlers());
    const notaryApi = new NotaryApiService({ ...common, turns: new PodTurns(), ports: notary });
    this.#server.addService(Notary, notaryApi.handlers());
    const envoy = new SecretService({ follow: (context) => spiffe.contents(context), log });
    this.#server.addService(SecretDiscoveryService, envoy.handlers());
    const described = [SpiffeWorkloadAPI, SecretDiscoveryService, Notary];
    addReflection(this.#server, described, (context) => calls.enter(context));
  }

  /** Serves in a volume, as far as that is possible. */
  open(volume: PublishedVolume): void {
    this.#peers.open(volume);
  }

  /** Serves again in those volumes that the agent before this one served in. */
  resume(volumes: readonly PublishedVolume[]): void {
    this.#peers.resume(volumes);
  }

  /** Ends a volume's socket and its connections; before its unmount, or when nothing is delivered by it any more. */
  close(volume: Pick<PublishedVolume, 'volumeId'>): void {
    this.#peers.close(volume);
  }

  /** What a pod may have has changed. */
  changed(podUid: string): void {
    this.#changes.tell(podUid);
  }

  /** Another verdict on a pod, or none any more: its processes are measured anew. */
  judgedAnew(podUid: string): void {
    this.callers.forget(podUid);
    this.#tokens.forget(podUid);
    this.#changes.tell(podUid);
  }

  /** A pod has left the node. */
  forget(podUid: string): void {
    this.callers.forget(podUid);
    this.#tokens.forget(podUid);
    this.#changes.forget(podUid);
  }

  /** The trust bundle has changed, for all. */
  bundleChanged(): void {
    this.#changes.tellAll();
  }

  /**
   * Another agent has taken the sockets: answers the calls that are open, ends the streams, and has every client connect
   * again (GOAWAY). Resolves when nobody is left, or after `graceMs`.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#peers.giveWay();
    // Who has connected a moment ago has asked nothing yet, and would find the connection closed under his first call.
    await setTimeout(SETTLE_MS);
    this.#changes.end();
    this.#server.drain(graceMs);
    await this.#peers.whenEmpty(graceMs);
  }

  /** Stops serving; the sockets' files stay for the next agent. */
  stop(): void {
    this.#peers.stop();
    this.#server.close();
  }
}
