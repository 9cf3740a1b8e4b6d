// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { HolderStatus } from '../../../controllers/holder-status.ts';
import { IdentitySecret } from '../../../controllers/identity-secret.ts';
import type { ModuleKeysReconciler } from '../../../controllers/module-keys.ts';
import { NodeAttester } from '../../../controllers/node-attester.ts';
import { NodeDevice } from '../../../controllers/node-device.ts';
import type { NodeRevocation } from '../../../controllers/node-revocation.ts';
import { PodDelivery } from '../../../controllers/pod-delivery.ts';
import { PodGate } from '../../../controllers/pod-gate.ts';
import { PodIdentity } from '../../../controllers/pod-identity.ts';
import type { PodOwners } from '../../../controllers/pod-owners.ts';
import type { ModuleIdentity } from '../../api/v1alpha1/index.ts';
import type { NodeIntegrity } from '../../attest/port.ts';
import type { HostFolders } from '../../deliver/host-folders.ts';
import type { VolumeStore } from '../../deliver/volume.ts';
import { asKeysteadError } from '../../errors.ts';
import { entryChanged, type Holding, type Refusal } from '../../identity/holding.ts';
import { hostFolder } from '../../identity/host-module.ts';
import { nodeIntegrity } from '../../identity/node-integrity.ts';
import type { Wanted } from '../../issue/credentials.ts';
import { Controller, type Events, type KubeClient, type Reconcile } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { Notary, NotaryStatus } from '../../notary/port.ts';
import { systemClock } from '../../os/clock.ts';
import type { HeldRecord } from '../../runtime/held-record.ts';
import type { ContainerEvent, ContainerRuntime } from '../../runtime/port.ts';
import { announce } from './announce.ts';
import { attesting } from './attesting.ts';
import { ownTrust, trustStore } from './bundle.ts';
import { writeBundles } from './bundle-writing.ts';
import { wakeByCaches } from './cache-triggers.ts';
import type { AgentCaches } from './caches.ts';
import { hubKeysOnToken } from './hub-keys-on-token.ts';
import { heldKeys, keysOnToken } from './keys-on-token.ts';
import type { ImageSignatures } from '../../signature/image-signatures.ts';
import type { TrustStore } from '../../workload/port.ts';
import { AgentMetrics } from './metrics.ts';
import type { NodePods } from './node-pods.ts';
import { obtain } from './obtaining.ts';
import { PodLookup } from './pod-lookup.ts';
import { nodeRevocation } from './revocation.ts';
import type { ProcessSource } from './process-source.ts';
import { AgentStarts } from './starts.ts';
import { renewalOf, wantedNow } from './wanting.ts';
import type { AgentWorkload } from './workload.ts';
import type { Writers } from './writers.ts';

export interface AgentParts {
  readonly node: string;
  /** The kernel's identifier of this boot. */
  readonly bootId: string;
  /** SHA-256 of this program, hexadecimal. */
  readonly program: string;
  readonly log: Logger;
  readonly client: Pick<KubeClient, 'clockSkewMs'>;
  readonly caches: AgentCaches;
  readonly pods: NodePods;
  readonly folders: Pick<HostFolders, 'fit'>;
  readonly events: Pick<Events, 'emit'>;
  readonly notary: Notary;
  readonly runtime: ContainerRuntime;
  /** Of starts that were held. */
  readonly record: HeldRecord;
  readonly processes: ProcessSource;
  readonly owners: Pick<PodOwners, 'chain'>;
  readonly signatures: Pick<ImageSignatures, 'of'>;
  readonly volumes: VolumeStore;
  readonly writers: Writers;
  readonly workload: Pick<AgentWorkload, 'served' | 'reported' | 'bundleChanged'>;
  platform(): Record<string, string>;
}

/** Changes in the use of keys are gathered so long before the token is looked at, milliseconds. */
const KEYS_MS = 1_000;

type ControllerName =
  'pods' | 'holders' | 'gates' | 'secrets' | 'revocations' | 'device' | 'bundles' | 'keys' | 'hubKeys' | 'folders';

/** The agent's reconcilers, tied to each other and to what wakes them. */
export class Agent {
  readonly metrics: AgentMetrics;
  readonly device: NodeDevice;
  readonly #parts: AgentParts;
  readonly #lookup: PodLookup;
  readonly #identity: PodIdentity;
  readonly #moduleKeys: ModuleKeysReconciler;
  readonly #revocation: NodeRevocation;
  readonly #controllers: Readonly<Record<ControllerName, Controller>>;
  readonly #starts: AgentStarts;
  #running = false;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    const { node, caches, writers } = parts;
    this.#lookup = new PodLookup(caches, parts.pods, parts.volumes);
    this.metrics = new AgentMetrics({ holdings: () => this.#identity.holdings(), depths: () => this.depths() });
    this.#revocation = nodeRevocation({
      ...parts,
      metrics: this.metrics,
      controllers: () => this.#controllers,
      podUids: () => this.#lookup.known(),
    });
    const secrets = new IdentitySecret({
      enqueue: (key) => this.#controllers.secrets.enqueue(key),
      apply: (content) => writers.secret(content),
    });
    this.#moduleKeys = keysOnToken({
      ...parts,
      holdings: () => this.#identity.holdings(),
      ready: () => this.device.notary?.ready === true,
      enqueue: (podUid) => this.#controllers.pods.enqueue(podUid),
    });
    const hubKeys = hubKeysOnToken({ ...parts, ready: () => this.device.notary?.ready === true });
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
      pod: (uid) => this.#lookup.pod(uid),
      holding: (uid) => this.#identity.holding(uid),
      apply: (pod, condition) => writers.gate(pod, condition),
    });
    this.#controllers = {
      pods: this.#controller('pods', (uid) => this.#identity.reconcile(uid)),
      holders: this.#controller('holders', (key) => holders.reconcile(key)),
      gates: this.#controller('gates', (uid) => gate.reconcile(uid)),
      secrets: this.#controller('secrets', (key) => secrets.reconcile(key)),
      revocations: this.#controller('revocations', (key) => this.#revocation.reconcile(key)),
      device: this.#controller('device', () => this.device.reconcile()),
      bundles: this.#controller('bundles', () => this.#writeBundles()),
      keys: this.#controller('keys', () => this.#moduleKeys.reconcile()),
      hubKeys: this.#controller('hub-keys', () => hubKeys.reconcile()),
      folders: this.#controller('folders', () => this.#fitFolders()),
    };
    this.#starts = new AgentStarts({
      ...parts,
      lookup: this.#lookup,
      metrics: this.metrics,
      isRunning: () => this.#running,
      look: (podUid, event) => this.#look(podUid, event),
      holding: (podUid) => this.#identity.holding(podUid),
    });
    wakeByCaches(caches, { node, ofNode: parts.pods }, this.#controllers);
  }

  depths(): Record<string, number> {
    return Object.fromEntries(
      Object.values(this.#controllers).map((controller) => [controller.name, controller.depth]),
    );
  }

  /** The trust anchors that a volume gets the moment it is published. */
  bundle(): string {
    return this.trust().own.anchors;
  }

  /** What this node knows of trust domains. */
  trust(): TrustStore {
    const { caches, node } = this.#parts;
    const own = ownTrust(this.device.notary, this.#revocation.lists);
    return trustStore(own, caches.devices.get(node)?.spec.trustDomain, caches.bundles.list());
  }

  /** What an identity's certificates may say on this node; a refusal where it may not have any. */
  wanted(identity: ModuleIdentity): Wanted | Refusal {
    const { node, caches } = this.#parts;
    return wantedNow(identity, { node, caches, notary: this.device.notary, integrity: this.integrity() });
  }

  /** Makes a key and has it certified. */
  obtain(request: Parameters<typeof obtain>[1]): ReturnType<typeof obtain> {
    return obtain({ ...this.#parts, metrics: this.metrics }, request);
  }

  /** What is known of a pod of this node, for who asks why. */
  holding(podUid: string): Holding | undefined {
    return this.#identity.holding(podUid);
  }

  /** Of this node's measured boot; undefined where that is not enforced. */
  integrity(): NodeIntegrity | undefined {
    const { caches, node, bootId } = this.#parts;
    return nodeIntegrity(caches.devices.get(node), bootId);
  }

  /** A volume came or went. */
  volumeChanged(podUid: string): void {
    this.#controllers.pods.enqueue(podUid);
    this.#controllers.bundles.enqueue('');
  }

  /** There is a process of a module of the host that was not there before. */
  lookAgain(podUid: string): void {
    this.#parts.processes.lookAfresh();
    this.#controllers.pods.enqueue(podUid);
  }

  /** Tells the notary what the device asks for; can be done before the caches of pods are filled. */
  async runDevice(signal: AbortSignal): Promise<void> {
    this.#controllers.device.enqueue('');
    await this.#controllers.device.run(signal);
  }

  /** Looks at every pod once. Call it once all caches are filled: a pod not in them counts as gone. */
  async lookAtAll(): Promise<void> {
    this.#running = true;
    void this.#starts.takeOver().catch((error: unknown) => this.#failed('taking over held starts', error));
    await this.#fitFolders().catch(() => this.#controllers.folders.enqueue(''));
    await Promise.all(this.#lookup.known().map((uid) => this.#look(uid)));
  }

  /** Works until the signal is aborted, after `lookAtAll`: a status of some of the pods would look like withdrawals. */
  async run(signal: AbortSignal): Promise<void> {
    this.#revocation.revokeOthers();
    for (const key of this.#parts.caches.identities.keys()) this.#controllers.holders.enqueue(key);
    this.#controllers.keys.enqueue('');
    this.#controllers.hubKeys.enqueue('');
    const { device: _apart, ...others } = this.#controllers;
    await Promise.all(Object.values(others).map((controller) => controller.run(signal)));
  }

  /** NRI says that a container runs, whether or not that is news. */
  containerRuns(event: ContainerEvent): void {
    this.#starts.runs(event);
  }

  /** A container starts, started or ended. While it is Starting the runtime waits for the promise. */
  containerEvent(event: ContainerEvent): Promise<void> {
    return this.#starts.told(event);
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
    const { caches, processes, volumes, writers } = this.#parts;
    const delivery = new PodDelivery({
      clock: systemClock,
      volumes,
      secrets,
      sockets: this.#parts.workload.served,
      revocation: this.#revocation,
      obtain: (request) => {
        if (request.key) this.#moduleKeys.touch(request.key);
        return this.obtain(request);
      },
      isLost: (key) => this.#moduleKeys.isLost(key),
      wanted: (identity) => this.wanted(identity),
      renewalTime: renewalOf,
    });
    return new PodIdentity({
      clock: systemClock,
      attestation: attesting(this.#parts, () => this.integrity()),
      delivery,
      pod: (uid) => this.#lookup.pod(uid),
      knowsAllPods: () => [caches.pods, caches.modules, caches.devices].every(({ hasSynced }) => hasSynced),
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
    const { node, bootId, caches, client, notary, writers } = this.#parts;
    const attester = new NodeAttester({ notary, bootId });
    return new NodeDevice({
      ...this.#parts,
      attest: (device) => attester.attest(device),
      clock: systemClock,
      revocation: this.#revocation,
      integrity: () => this.integrity(),
      device: () => caches.devices.get(node),
      clockSkewMs: () => client.clockSkewMs,
      apply: (status) => writers.device(status),
      changed: (status) => this.#notaryChanged(status),
    });
  }

  #controller(name: string, reconcile: Reconcile): Controller {
    return new Controller({ name, reconcile, log: this.#parts.log, observer: this.metrics });
  }

  #notaryChanged(status: NotaryStatus | undefined): void {
    const { log, pods } = this.#parts;
    if (status?.ready)
      log.info({ tokenLabel: status.token?.label, keyUri: status.issuer?.keyUri }, 'the notary is ready');
    else log.warn({ reason: status?.reason, err: status?.message }, 'the notary is not ready');
    this.#controllers.bundles.enqueue('');
    this.#controllers.keys.enqueue('');
    this.#controllers.hubKeys.enqueue('');
    if (this.#running) for (const pod of pods.list()) this.#controllers.pods.enqueue(pod.metadata.uid);
  }

  #fitFolders(): Promise<void> {
    const { folders, pods, node } = this.#parts;
    return folders.fit(pods.hostModules().map((module) => hostFolder(module, node)));
  }

  #writeBundles(): Promise<void> {
    const { volumes, workload } = this.#parts;
    workload.bundleChanged();
    return writeBundles(volumes, this.trust().own);
  }

  #report(podUid: string, now: Holding | undefined, before: Holding | undefined): void {
    this.#parts.workload.reported(podUid, now, before);
    const { namespace = '', identities = [] } = now ?? before ?? {};
    for (const name of new Set([...identities, ...(before?.identities ?? [])])) {
      if (entryChanged(name, now, before)) this.#controllers.holders.enqueue(`${namespace}/${name}`);
    }
    this.#controllers.gates.enqueue(podUid);
    if (!isDeepStrictEqual(heldKeys(now), heldKeys(before))) this.#controllers.keys.enqueueAfter('', KEYS_MS);
    if (now && now.since !== before?.since) announce(now, before, { ...this.#parts, metrics: this.metrics });
  }

  #failed(what: string, error: unknown): void {
    this.#parts.log.warn({ err: asKeysteadError(error).message }, `${what} failed`);
  }
}
