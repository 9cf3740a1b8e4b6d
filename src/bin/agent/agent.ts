// SPDX-License-Identifier: Apache-2.0
import { HolderStatus } from '../../../controllers/holder-status.ts';
import { IdentitySecret } from '../../../controllers/identity-secret.ts';
import { NodeDevice } from '../../../controllers/node-device.ts';
import { PodAttestation } from '../../../controllers/pod-attestation.ts';
import { PodDelivery } from '../../../controllers/pod-delivery.ts';
import { PodGate } from '../../../controllers/pod-gate.ts';
import { PodIdentity } from '../../../controllers/pod-identity.ts';
import { durationMs } from '../../api/duration.ts';
import type { Pod } from '../../api/pod.ts';
import { decide } from '../../attest/decide.ts';
import type { VolumeStore } from '../../deliver/volume.ts';
import { asKeysteadError } from '../../errors.ts';
import type { Holding } from '../../identity/holding.ts';
import { modulesOf } from '../../identity/module-match.ts';
import { wantedCertificate } from '../../identity/wanted.ts';
import { obtainCredentials } from '../../issue/credentials.ts';
import { jitterOf, renewalTime } from '../../issue/renewal.ts';
import { Controller, pods, type Events, type KubeClient, type Reconcile } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { Notary, NotaryStatus } from '../../notary/port.ts';
import { systemClock } from '../../os/clock.ts';
import type { ContainerEvent, ContainerRuntime } from '../../runtime/port.ts';
import { trustAnchors } from './bundle.ts';
import type { AgentCaches } from './caches.ts';
import { AgentMetrics } from './metrics.ts';
import type { ProcessSource } from './process-source.ts';
import type { AgentWorkload } from './workload.ts';
import type { Writers } from './writers.ts';

export interface AgentParts {
  readonly node: string;
  readonly log: Logger;
  readonly client: Pick<KubeClient, 'clockSkewMs'>;
  readonly caches: AgentCaches;
  readonly events: Pick<Events, 'emit'>;
  readonly notary: Notary;
  readonly runtime: ContainerRuntime;
  readonly processes: ProcessSource;
  readonly volumes: VolumeStore;
  readonly writers: Writers;
  readonly workload: Pick<AgentWorkload, 'served' | 'reported' | 'bundleChanged'>;
  platform(): Record<string, string>;
}

/** The agent's reconcilers, tied to each other and to what wakes them. */
export class Agent {
  readonly metrics: AgentMetrics;
  readonly device: NodeDevice;
  readonly #parts: AgentParts;
  readonly #identity: PodIdentity;
  readonly #controllers: Readonly<Record<'pods' | 'holders' | 'gates' | 'secrets' | 'device' | 'bundles', Controller>>;
  #running = false;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { node, caches, writers } = parts;
    this.metrics = new AgentMetrics({ holdings: () => this.#identity.holdings(), depths: () => this.depths() });
    const secrets = new IdentitySecret({
      enqueue: (key) => this.#controllers.secrets.enqueue(key),
      apply: (content) => writers.secret(content),
    });
    this.#identity = this.#podIdentity(secrets);
    this.device = this.#nodeDevice();
    const holders = new HolderStatus({
      node,
      holdings: () => this.#identity.holdings(),
      identity: (namespace, name) => caches.identities.get(`${namespace}/${name}`),
      apply: (namespace, name, entries) => writers.holders(namespace, name, entries),
    });
    const gate = new PodGate({
      clock: systemClock,
      pod: (uid) => this.#pod(uid),
      holding: (uid) => this.#identity.holding(uid),
      apply: (pod, condition) => writers.gate(pod, condition),
    });
    this.#controllers = {
      pods: this.#controller('pods', (uid) => this.#identity.reconcile(uid)),
      holders: this.#controller('holders', (key) => holders.reconcile(key)),
      gates: this.#controller('gates', (uid) => gate.reconcile(uid)),
      secrets: this.#controller('secrets', (key) => secrets.reconcile(key)),
      device: this.#controller('device', () => this.device.reconcile()),
      bundles: this.#controller('bundles', () => this.#writeBundles()),
    };
    this.#listen();
  }

  depths(): Record<string, number> {
    return Object.fromEntries(
      Object.values(this.#controllers).map((controller) => [controller.name, controller.depth]),
    );
  }

  /** The trust anchors that a volume gets the moment it is published. */
  bundle(): string {
    const { caches, node } = this.#parts;
    const own = this.device.notary?.issuer?.anchors ?? '';
    return trustAnchors(own, caches.devices.get(node)?.spec.trustDomain, caches.bundles.list());
  }

  /** What is known of a pod of this node, for who asks why. */
  holding(podUid: string): Holding | undefined {
    return this.#identity.holding(podUid);
  }

  /** A volume came or went. */
  volumeChanged(podUid: string): void {
    this.#controllers.pods.enqueue(podUid);
    this.#controllers.bundles.enqueue('');
  }

  /** Tells the notary what the device asks for; can be done before the caches of pods are filled. */
  async runDevice(signal: AbortSignal): Promise<void> {
    this.#controllers.device.enqueue('');
    await this.#controllers.device.run(signal);
  }

  /** Works until the signal is aborted. Call it once all caches are filled: a pod not in them counts as gone. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true;
    const { caches, volumes } = this.#parts;
    const known = [
      ...caches.pods.list().map(({ metadata }) => metadata.uid),
      ...volumes.list().map(({ podUid }) => podUid),
    ];
    // Every pod is looked at once before the status says who holds what: a part of them would look like withdrawals.
    await Promise.all([...new Set(known)].map((uid) => this.#look(uid)));
    for (const key of caches.identities.keys()) this.#controllers.holders.enqueue(key);
    const { device: _apart, ...others } = this.#controllers;
    await Promise.all(Object.values(others).map((controller) => controller.run(signal)));
  }

  /** A container starts, started or ended. While it is Starting the runtime waits for the promise. */
  async containerEvent(event: ContainerEvent): Promise<void> {
    if (!this.#running) return;
    const toldAt = performance.now();
    const podUid = event.podUid ?? (await this.#parts.runtime.container(event.containerId))?.podUid;
    if (podUid === undefined) return;
    const pod = await this.#podSoon(podUid);
    if (!pod || !this.#isModule(pod)) return;
    await this.#look(podUid, event);
    if (event.phase === 'Starting') this.metrics.held((performance.now() - toldAt) / 1000);
  }

  /** A look outside of the queue, which does not wait its turn; the queue takes over from there. */
  async #look(podUid: string, event?: ContainerEvent): Promise<void> {
    try {
      const { requeueAfterMs } = await this.#identity.reconcile(podUid, event);
      if (requeueAfterMs !== undefined) this.#controllers.pods.enqueueAfter(podUid, requeueAfterMs);
    } catch (error) {
      this.#failed('attestation, to be tried again,', error);
      this.#controllers.pods.enqueue(podUid);
    }
  }

  #podIdentity(secrets: IdentitySecret): PodIdentity {
    const { node, caches, runtime, processes, volumes, writers } = this.#parts;
    const attestation = new PodAttestation({
      node,
      runtime,
      measure: (pid, init) => processes.measure(pid, init),
      processesOf: (containerId) => processes.of(containerId),
      decide,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
    const delivery = new PodDelivery({
      clock: systemClock,
      volumes,
      secrets,
      sockets: this.#parts.workload.served,
      obtain: (request) => this.#obtain(request),
      wanted: (identity) =>
        wantedCertificate(identity, {
          node,
          device: caches.devices.get(node),
          notary: this.device.notary,
          neighbours: caches.identities.by('namespace', identity.metadata.namespace ?? ''),
        }),
      renewalTime: ({ serial, notAfter }, { spec: { x509 } }) => {
        // Counted from the issue: notBefore lies earlier, which for a short life would be half of it and more.
        const life = { notBefore: notAfter - durationMs(x509.duration), notAfter };
        return renewalTime(life, jitterOf(serial), x509.renewAtPercent / 100);
      },
    });
    return new PodIdentity({
      clock: systemClock,
      attestation,
      delivery,
      pod: (uid) => this.#pod(uid),
      modules: (namespace) => caches.modules.by('namespace', namespace),
      identities: (namespace, module) => caches.identities.by('module', `${namespace}/${module}`),
      hasVolume: (uid) => volumes.of(uid) !== undefined,
      watchExit: (process, ended) => processes.watchExit(process, ended),
      enqueue: (uid) => this.#controllers.pods.enqueue(uid),
      report: (uid, now, before) => this.#report(uid, now, before),
      evict: (pod) => void writers.evict(pod).catch((error: unknown) => this.#failed('evict', error)),
    });
  }

  #nodeDevice(): NodeDevice {
    const { node, caches, client, notary, writers } = this.#parts;
    return new NodeDevice({
      node,
      clock: systemClock,
      notary,
      platform: () => this.#parts.platform(),
      device: () => caches.devices.get(node),
      clockSkewMs: () => client.clockSkewMs,
      apply: (status) => writers.device(status),
      changed: (status) => this.#notaryChanged(status),
    });
  }

  #controller(name: string, reconcile: Reconcile): Controller {
    return new Controller({ name, reconcile, log: this.#parts.log, observer: this.metrics });
  }

  #listen(): void {
    const { caches } = this.#parts;
    const { pods: podController, holders, gates, device, bundles } = this.#controllers;
    caches.pods.onChange((_key, now, before) => {
      const uid = (now ?? before)?.metadata.uid;
      if (uid === undefined) return;
      podController.enqueue(uid);
      gates.enqueue(uid);
      // A pod that was replaced under its name (a StatefulSet's) is gone as much as a deleted one.
      if (before && before.metadata.uid !== uid) podController.enqueue(before.metadata.uid);
    });
    const namespaceChanged = (namespace: string | undefined): void => {
      for (const pod of caches.pods.by('namespace', namespace ?? '')) podController.enqueue(pod.metadata.uid);
    };
    caches.modules.onChange((_key, now, before) => {
      if (now?.metadata.generation !== before?.metadata.generation || !now)
        namespaceChanged((now ?? before)?.metadata.namespace);
    });
    caches.identities.onChange((key, now, before) => {
      if (now?.metadata.uid !== before?.metadata.uid) holders.enqueue(key);
      if (now?.metadata.generation !== before?.metadata.generation || !now)
        namespaceChanged((now ?? before)?.metadata.namespace);
    });
    caches.devices.onChange((_key, now, before) => {
      if (now?.metadata.generation !== before?.metadata.generation || !now) device.enqueue('');
    });
    caches.bundles.onChange(() => bundles.enqueue(''));
  }

  #notaryChanged(status: NotaryStatus | undefined): void {
    const { log, caches } = this.#parts;
    if (status?.ready)
      log.info({ tokenLabel: status.token?.label, keyUri: status.issuer?.keyUri }, 'the notary is ready');
    else log.warn({ reason: status?.reason, err: status?.message }, 'the notary is not ready');
    this.#controllers.bundles.enqueue('');
    if (this.#running) for (const pod of caches.pods.list()) this.#controllers.pods.enqueue(pod.metadata.uid);
  }

  async #obtain(request: Parameters<typeof obtainCredentials>[1]): ReturnType<typeof obtainCredentials> {
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1000;
    try {
      const obtained = await obtainCredentials(this.#parts.notary, request);
      this.metrics.issued('issued', '', seconds());
      const { spiffeId, requester } = request;
      this.#parts.log.info({ spiffeId, serial: obtained.certificate.serial, ...requester }, 'issued');
      return obtained;
    } catch (error) {
      this.metrics.issued('failed', asKeysteadError(error).code, seconds());
      throw error;
    }
  }

  #writeBundles(): Promise<void> {
    const bundle = this.bundle();
    for (const volume of this.#parts.volumes.list()) this.#parts.volumes.writeBundle(volume, bundle);
    this.#parts.workload.bundleChanged();
    return Promise.resolve();
  }

  #report(podUid: string, now: Holding | undefined, before: Holding | undefined): void {
    this.#parts.workload.reported(podUid, now, before);
    const { namespace = '', identities = [] } = now ?? before ?? {};
    for (const name of new Set([...identities, ...(before?.identities ?? [])])) {
      this.#controllers.holders.enqueue(`${namespace}/${name}`);
    }
    this.#controllers.gates.enqueue(podUid);
    if (now && now.since !== before?.since) this.#announce(podUid, now);
  }

  /** A verdict that is new: counted, logged, and told to the pod's owner as an Event. */
  #announce(podUid: string, { verdict, refusal, namespace, pod: name, process, container }: Holding): void {
    const reason = refusal?.reason ?? '';
    this.metrics.attested(verdict, reason);
    const about = { namespace, pod: name, podUid, verdict, reason, pid: process?.pid, container: container?.id };
    if (verdict === 'Denied') this.#parts.log.warn({ ...about, detail: refusal?.message }, 'denied');
    else this.#parts.log.info(about, 'attested');
    const object = { metadata: { namespace, name, uid: podUid } };
    const note = refusal?.message ?? 'The module process is what its EdgeModule allows.';
    const type = verdict === 'Denied' ? 'Warning' : 'Normal';
    this.#parts.events.emit(pods, object, { type, reason: reason || 'Attested', action: 'Attest', note });
  }

  #pod(uid: string): Pod | undefined {
    return this.#parts.caches.pods.by('uid', uid)[0];
  }

  #isModule(pod: Pod): boolean {
    const { caches, volumes } = this.#parts;
    return (
      volumes.of(pod.metadata.uid) !== undefined ||
      modulesOf(pod, caches.modules.by('namespace', pod.metadata.namespace)).length > 0
    );
  }

  /**
   * The kubelet may know a pod, and its author have applied the module, a moment before our watches do. A pod with an
   * identity volume is worth a longer wait than one that is probably no module at all.
   */
  async #podSoon(uid: string): Promise<Pod | undefined> {
    const patience = this.#parts.volumes.of(uid) ? MODULE_WAIT_MS : POD_WAIT_MS;
    for (let waited = 0; ; waited += POD_POLL_MS) {
      const pod = this.#pod(uid);
      const complete = pod && (patience === POD_WAIT_MS || this.#hasIdentity(pod));
      if (complete || waited >= patience) return pod;
      await new Promise((resolve) => setTimeout(resolve, POD_POLL_MS));
    }
  }

  /** Whether the module of a pod and an identity of it are known here. */
  #hasIdentity(pod: Pod): boolean {
    const { caches } = this.#parts;
    const { namespace } = pod.metadata;
    const modules = modulesOf(pod, caches.modules.by('namespace', namespace));
    return modules.some(
      ({ metadata }) => caches.identities.by('module', `${namespace}/${metadata.name ?? ''}`).length > 0,
    );
  }

  #failed(what: string, error: unknown): void {
    this.#parts.log.warn({ err: asKeysteadError(error).message }, `${what} failed`);
  }
}

/** Pods that are no modules start while we wait, so this is kept short. */
const POD_WAIT_MS = 50;
const MODULE_WAIT_MS = 250;
const POD_POLL_MS = 5;
