// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { arch, release, uptime } from 'node:os';
import { join } from 'node:path';
import { PodHubKeys } from '../../controllers/pod-hub-keys.ts';
import { ProcessMeter } from '../attest/process.ts';
import { startCsiDriver, type CsiDriver } from '../deliver/csi/driver.ts';
import type { VolumeEvents } from '../deliver/csi/node.ts';
import { HostFolders } from '../deliver/host-folders.ts';
import { VolumeStore } from '../deliver/volume.ts';
import { asKeysteadError } from '../errors.ts';
import { startHealthServer, type Check, type HealthOptions } from '../health.ts';
import { allSynced, Events, KubeClient } from '../kube/index.ts';
import { createLogger, type Logger } from '../log.ts';
import { NotaryClient } from '../notary/client.ts';
import { releaseMemoryAtRest } from '../os/memory.ts';
import { trimMemory } from '../os/malloc-trim.ts';
import { HeldSockets } from '../os/held-sockets.ts';
import { CriRuntime } from '../runtime/cri.ts';
import { HeldRecord } from '../runtime/held-record.ts';
import { RuntimeStarts } from '../runtime/starts.ts';
import { bootId } from '../os/boot-id.ts';
import { measureProgram } from '../os/program-measure.ts';
import { VERSION } from '../version.ts';
import { Agent } from './agent/agent.ts';
import { agentCaches, type AgentCaches } from './agent/caches.ts';
import { clusterView } from './agent/cluster-view.ts';
import { agentConfiguration, type AgentConfiguration } from './agent/configuration.ts';
import { eventLogPages } from './agent/event-log.ts';
import { evidencePages } from './agent/evidence.ts';
import { explainPages } from './agent/explain.ts';
import { imageSignatures } from './agent/image-signatures.ts';
import { notaryPages } from './agent/notary-pages.ts';
import { NodePods } from './agent/node-pods.ts';
import { podOwners } from './agent/owner-source.ts';
import { ProcessSource } from './agent/process-source.ts';
import { SealedCache } from './agent/sealed-cache.ts';
import { Succession } from './agent/succession.ts';
import { TpmRelay } from './agent/tpm-relay.ts';
import { AgentWorkload } from './agent/workload.ts';
import { warmUp } from './agent/warm-up.ts';
import { Writers } from './agent/writers.ts';

/** The parts of the agent, tied together; nothing runs yet. */
async function compose(configuration: AgentConfiguration, log: Logger) {
  const { node, containerdSocket: runtimeSocket, nriSocket } = configuration;
  const client = await KubeClient.fromEnvironment(process.env);
  const caches = agentCaches(client, node, log);
  const pods = new NodePods(node, caches);
  const runtime = new CriRuntime(runtimeSocket);
  const notary = new NotaryClient({ path: configuration.notarySocket });
  const volumes = new VolumeStore();
  const held = new HeldSockets(configuration.heldSockets, process.send?.bind(process) as never);
  const starts = new RuntimeStarts({
    ...{ runtimeSocket, runtime, log },
    ...(nriSocket !== '' && { nriSocket }),
    onRunning: (event) => agent.containerRuns(event),
  });
  const processes = new ProcessSource(new ProcessMeter({ hostRoot: configuration.hostRoot }));
  const owners = podOwners(client);
  const program = measureProgram(import.meta.filename).sha256;
  const signatures = imageSignatures(configuration.signatures, configuration.stateDir);
  const workload: AgentWorkload = new AgentWorkload({
    ...{ node, log, held, caches, pods, runtime, processes, volumes, notary, owners, signatures },
    holding: (podUid) => agent.holding(podUid),
    lookAgain: (podUid) => agent.lookAgain(podUid),
    trust: () => agent.trust(),
    integrity: () => agent.integrity(),
    issueToken: (request) => notary.issueToken(request),
    wanted: (identity) => agent.wanted(identity),
    obtain: (request) => agent.obtain(request),
  });
  const folders = new HostFolders({
    ...{ root: configuration.hostModules, node, volumes, log },
    published(volume) {
      agent.volumeChanged(volume.podUid);
      workload.published(volume);
    },
    leaving: (volume) => workload.unpublishing(volume),
    gone: ({ podUid }) => agent.volumeChanged(podUid),
  });
  const agent: Agent = new Agent({
    node,
    bootId: bootId(),
    program,
    log,
    client,
    caches,
    pods,
    folders,
    notary,
    runtime,
    record: new HeldRecord(join(configuration.stateDir, 'held-starts'), bootId(), uptime()),
    volumes,
    events: new Events({ client, log, controller: 'keystead.dev/agent', instance: node }),
    processes,
    owners,
    signatures,
    workload,
    writers: new Writers(client, node),
    platform: () => ({ ...machine(), agentProgram: program, containerStarts: starts.kind }),
  });

  return { client, caches, pods, runtime, notary, volumes, starts, processes, workload, agent };
}

/** Runs the agent until the signal is aborted. */
async function run(configuration: AgentConfiguration, log: Logger, signal: AbortSignal): Promise<void> {
  const { node, kubeletRoot, stateDir } = configuration;
  const parts = await compose(configuration, log);
  const { client, caches, pods, runtime, notary, volumes, starts, processes, workload, agent } = parts;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const succession = new Succession(stateDir, log);
  const work = AbortSignal.any([signal, succession.replaced]);
  const following = caches.all().map((reflector) => reflector.run(work));
  const sealed = new SealedCache({ stateDir, node, caches, notary, log });
  // Not beside an agent that works: that one has read the cluster.
  if (!succession.hasPredecessor) void sealed.seed(work);
  // A pod that is not in the caches counts as gone: nothing is judged before they are filled.
  const ready = allSynced(caches.all(), signal);
  // It is awaited further down; an abort before that is no defect.
  ready.catch(() => undefined);
  const warm = (): Promise<void> => warmUp(node, runtime, processes);
  if (succession.hasPredecessor) await Promise.all([ready, warm()]);
  const relay = await relayedTpm(configuration, log);
  const podOf = (pid: number): string | undefined => processes.podOf(pid);
  const kubelet = { kubeletRoot, stateDir, nodeName: node, version: VERSION, podOf };
  const hubKeys = new PodHubKeys({
    ...clusterView(caches, pods),
    notary,
    wanted: (identity) => agent.wanted(identity),
  });
  const csi = await startCsiDriver({ ...kubelet, volumes, log, ...volumeEvents({ agent, workload, hubKeys }) });
  workload.resume();
  const health = await startHealthServer({
    listen: { port: configuration.healthPort },
    metrics: () => agent.metrics.registry.metrics(),
    pages: pages({ configuration, agent, workload, notary }),
    checks: () => checks({ agent, caches, csi, starts }),
  });
  log.info({ node, kubeletRoot, port: configuration.healthPort }, 'agent started');
  if (succession.hasPredecessor) {
    await succession.inherit(signal);
    await agent.device.reconcile();
  }
  succession.watch(() => csi.replaced, { drain: () => workload.drain(), releaseNotary: () => notary.handOver() });
  following.push(
    agent.runDevice(work),
    starts.run((event) => agent.containerEvent(event), work),
  );
  await ready;
  workload.start();
  await agent.lookAtAll();
  // Modules wait for an agent that starts after a crash: they are looked at first.
  if (!succession.hasPredecessor) void warm();
  await Promise.all([agent.run(work), sealed.run(work), ...following]);
  if (!signal.aborted) await once(signal, 'abort');
  health.close();
  workload.stop();
  await csi.stop();
  for (const open of [notary, runtime, client, relay]) open?.close();
}

async function relayedTpm({ tpmDevice, tpmRelay }: AgentConfiguration, log: Logger): Promise<TpmRelay | undefined> {
  if (tpmDevice === '') return undefined;
  const relay = new TpmRelay({ device: tpmDevice, path: tpmRelay, log });
  await relay.listen();
  return relay;
}

interface VolumeListeners {
  readonly agent: Agent;
  readonly workload: AgentWorkload;
  readonly hubKeys: PodHubKeys;
}

/** What volumes that come and go mean to the rest of the agent. */
function volumeEvents({ agent, workload, hubKeys }: VolumeListeners): VolumeEvents {
  return {
    onPublish(volume) {
      agent.volumeChanged(volume.podUid);
      workload.published(volume);
      return agent.bundle();
    },
    onSecret: (volume, secret) => hubKeys.take(volume, secret),
    beforeUnmount: (volume) => workload.unpublishing(volume),
    onUnpublish: ({ podUid }) => agent.volumeChanged(podUid),
  };
}

function machine(): Record<string, string> {
  return { agentVersion: VERSION, kernel: release(), architecture: arch() };
}

interface Paged {
  readonly configuration: AgentConfiguration;
  readonly agent: Agent;
  readonly workload: AgentWorkload;
  readonly notary: NotaryClient;
}

function pages({ configuration, agent, workload, notary }: Paged): NonNullable<HealthOptions['pages']> {
  return {
    ...notaryPages(configuration.notaryHealth),
    ...explainPages(configuration.node, { agent, workload }),
    ...evidencePages(notary),
    ...eventLogPages(configuration.hostRoot),
  };
}

interface Checked {
  readonly agent: Agent;
  readonly caches: AgentCaches;
  readonly csi: Pick<CsiDriver, 'registered'>;
  readonly starts: Pick<RuntimeStarts, 'connected'>;
}

/** What must hold for the agent to be ready, each with what to look at where it does not. */
function checks({ agent, caches, csi, starts }: Checked): Check[] {
  const { notary } = agent.device;
  const synced = caches.all().every((cache) => cache.hasSynced);
  return [
    { name: 'csi', ok: csi.registered, reason: 'NotRegistered', message: 'the kubelet has not registered the driver' },
    { name: 'caches', ok: synced, reason: 'NotSynced', message: 'the API server has not been read yet' },
    {
      name: 'starts',
      ok: starts.connected,
      reason: 'RuntimeAway',
      message: 'the container runtime tells of no starts',
    },
    {
      name: 'notary',
      ok: notary?.ready ?? false,
      reason: notary?.reason ?? 'NotaryUnknown',
      message: notary?.message ?? 'there is no EdgeDevice for this node, or the notary has not answered',
    },
  ];
}

const stopping = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopping.abort());
let log = createLogger('agent');
releaseMemoryAtRest(trimMemory);
try {
  const configuration = agentConfiguration(process.env);
  log = createLogger('agent', configuration.logLevel);
  await run(configuration, log, stopping.signal);
} catch (error) {
  const { code, message } = asKeysteadError(error);
  log.fatal({ code, err: message }, 'agent ended');
  process.exitCode = 1;
}
