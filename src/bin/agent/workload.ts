// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { PodCaller, type PodCallerPorts } from '../../../controllers/pod-caller.ts';
import type { PodOwners } from '../../../controllers/pod-owners.ts';
import { PodIotEdge, type PodIotEdgePorts } from '../../../controllers/pod-iot-edge.ts';
import { PodNotary, type PodNotaryPorts } from '../../../controllers/pod-notary.ts';
import { IDENTITY_ATTRIBUTE, IOT_EDGE_SOCKET, SPIFFE_SOCKET } from '../../api/names.ts';
import type { ModuleIdentity } from '../../api/v1alpha1/index.ts';
import { decide } from '../../attest/decide.ts';
import { incarnationOf, Incarnations } from '../../attest/incarnation.ts';
import type { NodeIntegrity, Verdict } from '../../attest/port.ts';
import type { PublishedVolume } from '../../deliver/port.ts';
import type { VolumeStore } from '../../deliver/volume.ts';
import { KeysteadError } from '../../errors.ts';
import type { Holding } from '../../identity/holding.ts';
import { asksForIotEdge } from '../../identity/hub-module.ts';
import { modulesOf } from '../../identity/module-match.ts';
import { refusalByIntegrity } from '../../identity/node-integrity.ts';
import { explanationOfProcess, type Explanation } from '../../identity/explanation.ts';
import { identityTerms } from '../../identity/terms.ts';
import type { Logger } from '../../log.ts';
import type { HeldSockets } from '../../os/held-sockets.ts';
import type { IssuedToken, TokenRequest } from '../../notary/port.ts';
import { IotEdgeApi } from '../../workload/iotedge/iot-edge-api.ts';
import type { IdentityTerms, TrustStore } from '../../workload/port.ts';
import type { ImageSignatures } from '../../signature/image-signatures.ts';
import { ServedCredentials } from '../../workload/served-credentials.ts';
import { standingOf } from '../../workload/standing.ts';
import { WorkloadApi } from '../../workload/workload-api.ts';
import { momentOf, type AgentCaches } from './caches.ts';
import { clusterView } from './cluster-view.ts';
import type { NodePods } from './node-pods.ts';
import type { ProcessSource } from './process-source.ts';

export interface AgentWorkloadParts extends Pick<PodIotEdgePorts, 'wanted' | 'obtain'> {
  readonly notary: PodIotEdgePorts['notary'] & PodNotaryPorts['notary'];
  readonly node: string;
  readonly log: Logger;
  readonly held: HeldSockets;
  readonly caches: AgentCaches;
  readonly pods: NodePods;
  readonly runtime: PodCallerPorts['runtime'];
  readonly processes: Pick<ProcessSource, 'measure' | 'podOf' | 'unitOf'>;
  readonly volumes: Pick<VolumeStore, 'list'>;
  readonly owners: Pick<PodOwners, 'chain'>;
  readonly signatures: Pick<ImageSignatures, 'of'>;
  holding(podUid: string): Holding | undefined;
  /** Has a module of the host looked at: one of its processes calls, and it holds nothing yet. */
  lookAgain(podUid: string): void;
  trust(): TrustStore;
  integrity(): NodeIntegrity | undefined;
  issueToken(request: TokenRequest): Promise<IssuedToken>;
  /** How long a call waits for an agent that has just started, milliseconds. Default 8000. */
  readonly startMs?: number;
}

interface OfferedApi {
  readonly api: WorkloadApi | IotEdgeApi;
  /** Whether an identity's module asks for it. */
  asked(identity: ModuleIdentity): boolean;
}

const START_MS = 8_000;
/** How long open calls may take to end when the next agent has taken over, in milliseconds. */
const DRAIN_MS = 2_000;

/** The sockets in the volumes of this node's pods: in which there is one, and what is behind it. */
export class AgentWorkload {
  /** Filled by delivery. */
  readonly served = new ServedCredentials((podUid) => this.#api.changed(podUid));
  readonly #parts: AgentWorkloadParts;
  readonly #callers: PodCaller;
  readonly #incarnations = new Incarnations();
  readonly #api: WorkloadApi;
  readonly #iotEdge: IotEdgeApi;
  /** As it was asked for last: a fleet's bundle is large, and every call carries it. */
  #trust: TrustStore | undefined;
  /** Aborted once the caches are filled. */
  readonly #started = new AbortController();
  readonly #whenStarted = once(this.#started.signal, 'abort');

  constructor(parts: AgentWorkloadParts) {
    this.#parts = parts;
    const { node, log, caches, pods, runtime, processes } = parts;
    this.#callers = new PodCaller({
      node,
      runtime,
      decide,
      integrity: () => parts.integrity(),
      ...clusterView(caches, pods),
      measure: (pid, init) => processes.measure(pid, init),
      owners: (pod) => parts.owners.chain(pod),
      signature: (image, signers) => parts.signatures.of(image, signers),
      moment: () => momentOf(caches),
      holding: (uid) => parts.holding(uid),
      sleep: (milliseconds) => setTimeout(milliseconds),
    });
    this.#api = new WorkloadApi({
      log,
      notary: new PodNotary({ ...clusterView(caches, pods), ...parts }),
      held: parts.held,
      incarnationOf: (process) => this.#incarnations.of(process),
      socket: SPIFFE_SOCKET,
      identityAttribute: IDENTITY_ATTRIBUTE,
      ports: {
        trust: () => this.#currentTrust(),
        terms: (podUid, identity) => this.#terms(podUid, identity),
        issueToken: (request) => this.#issueToken(request),
        standing: (podUid) => standingOf(parts.holding(podUid), this.served.list(podUid)),
        judge: (podUid, pid) => this.#judge(podUid, pid),
      },
    });
    this.#iotEdge = new IotEdgeApi({
      log,
      held: parts.held,
      incarnationOf: (process) => this.#incarnations.of(process),
      callers: this.#api.callers,
      socket: IOT_EDGE_SOCKET,
      identityAttribute: IDENTITY_ATTRIBUTE,
      ports: this.#iotEdgePorts(),
    });
  }

  #iotEdgePorts(): PodIotEdge {
    const { caches, pods, notary } = this.#parts;
    return new PodIotEdge({
      ...clusterView(caches, pods),
      notary,
      holding: (uid) => this.#parts.holding(uid),
      wanted: (identity) => this.#parts.wanted(identity),
      obtain: (request) => this.#parts.obtain(request),
      bundle: () => this.#currentTrust().own.anchors,
    });
  }

  #currentTrust(): TrustStore {
    return (this.#trust ??= this.#parts.trust());
  }

  /** Takes up the sockets of the agent before this one. Calls wait until `start`. */
  resume(): void {
    for (const { api } of this.#apis()) api.resume(this.#parts.volumes.list());
  }

  /** The caches are filled: from now on a pod that is not in them is none of this node. */
  start(): void {
    this.#started.abort();
    for (const volume of this.#parts.volumes.list()) this.#fit(volume);
  }

  /** A volume was mounted. Opens its socket at once where that is known to be wanted; else the first verdict does. */
  published(volume: PublishedVolume): void {
    for (const each of this.#apis()) if (this.#wanted(volume, each)) each.api.open(volume);
  }

  /** A volume is about to be unmounted. */
  unpublishing(volume: PublishedVolume): void {
    for (const { api } of this.#apis()) api.close(volume);
  }

  /** A look at a pod has ended; `now` is undefined for one that is gone. */
  reported(podUid: string, now: Holding | undefined, before: Holding | undefined): void {
    if (now === undefined) {
      this.#api.forget(podUid);
      return;
    }
    for (const volume of this.#parts.volumes.list()) if (volume.podUid === podUid) this.#fit(volume);
    if (now.since !== before?.since || now.container?.id !== before.container?.id) this.#api.judgedAnew(podUid);
    else this.#api.changed(podUid);
  }

  /** The trust bundle may have changed. */
  bundleChanged(): void {
    const trust = this.#parts.trust();
    if (isDeepStrictEqual(trust, this.#trust)) return;
    this.#trust = trust;
    this.#api.bundleChanged();
  }

  /** The next agent has taken the sockets: ends with what is open. */
  async drain(): Promise<void> {
    await Promise.all(this.#apis().map(({ api }) => api.drain(DRAIN_MS)));
  }

  stop(): void {
    for (const { api } of this.#apis()) api.stop();
  }

  #fit(volume: PublishedVolume): void {
    for (const each of this.#apis()) {
      if (this.#wanted(volume, each)) each.api.open(volume);
      else each.api.close(volume);
    }
  }

  /** The APIs, each with the identities whose modules ask for it. */
  #apis(): readonly OfferedApi[] {
    return [
      { api: this.#api, asked: ({ spec }) => spec.delivery.includes('Socket') },
      { api: this.#iotEdge, asked: asksForIotEdge },
    ];
  }

  /** Only for modules that ask for it, by the volume's identity, or by one of the pod's. */
  #wanted({ podUid, podNamespace, attributes }: PublishedVolume, api: OfferedApi): boolean {
    const { caches, pods } = this.#parts;
    const named = attributes[IDENTITY_ATTRIBUTE];
    if (named !== undefined) {
      const identity = caches.identities.get(`${podNamespace}/${named}`);
      return identity !== undefined && api.asked(identity);
    }
    const pod = pods.get(podUid);
    const modules = pod ? modulesOf(pod, caches.modules.by('namespace', podNamespace)) : [];
    return modules
      .flatMap(({ metadata }) => caches.identities.by('module', `${podNamespace}/${metadata.name ?? ''}`))
      .some((identity) => api.asked(identity));
  }

  async #issueToken(request: TokenRequest): Promise<IssuedToken> {
    const refusal = refusalByIntegrity(this.#parts.integrity());
    if (!refusal) return this.#parts.issueToken(request);
    const code = refusal.passing ? 'Unavailable' : 'AttestationDenied';
    throw new KeysteadError(code, `${refusal.reason}: ${refusal.message}`);
  }

  #terms(podUid: string, identity: string): IdentityTerms | undefined {
    const holding = this.#parts.holding(podUid);
    const found = holding && this.#parts.caches.identities.get(`${holding.namespace}/${identity}`);
    return found && identityTerms(found, holding);
  }

  /** Judges any process of this node, for who asks why. Undefined where there is no such process. */
  async explain(pid: number): Promise<Explanation | undefined> {
    const { processes, pods } = this.#parts;
    if (incarnationOf(pid) === undefined) return undefined;
    const podUid = processes.podOf(pid);
    const pod = podUid === undefined ? pods.ofUnit(processes.unitOf(pid) ?? '') : pods.get(podUid);
    const { evidence, verdict } = await this.#callers.judged(pid, { pod });
    return explanationOfProcess(evidence, verdict, Date.now());
  }

  async #judge(podUid: string, pid: number): Promise<Verdict | undefined> {
    const { startMs = START_MS } = this.#parts;
    const { aborted } = this.#started.signal;
    if (!aborted) await Promise.race([this.#whenStarted, setTimeout(startMs, undefined, { ref: false })]);
    // By caches of which some are filled and others not, the module would be refused for what is only not known yet.
    if (!this.#started.signal.aborted) return undefined;
    const verdict = await this.#callers.judge(podUid, pid);
    // Nobody tells of a process of the host that starts; its first call does.
    if (verdict?.allowed && verdict.module.host && this.#parts.holding(podUid)?.verdict !== 'Allowed') {
      this.#parts.lookAgain(podUid);
    }
    return verdict;
  }
}
