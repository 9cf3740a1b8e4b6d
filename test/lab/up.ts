// SPDX-License-Identifier: Apache-2.0
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildComponents } from './build.ts';
import { cgroupLayout, makeCgroup } from './cgroups.ts';
import { apiServerReady, grantRights, nodeReady } from './cluster.ts';
import { run } from './command.ts';
import { program } from './components.ts';
import { configureContainerd, containerdSocket, nriSocket, runtimePrograms } from './containerd.ts';
import { apiServerDaemon, controllerManagerDaemon, kineDaemon, schedulerDaemon } from './control-plane.ts';
import { startDaemon } from './daemon.ts';
import { DAEMONS, deadDaemons } from './daemons.ts';
import { prepareHost, recordHost } from './host-traces.ts';
import { LabError } from './lab-error.ts';
import { writeLab, type Lab } from './lab-file.ts';
import { mountLab } from './mounts.ts';
import { checkSubnetFree, connectNetwork } from './network.ts';
import { startKubelet, startRuntime } from './node-start.ts';
import { configureNode, dnsDaemon, kubeletRoot, proxyDaemon } from './node.ts';
import { installPackages } from './packages.ts';
import { kubeconfigFile, makePki } from './pki.ts';
import { checkMachine } from './preflight.ts';
import type { Progress } from './progress.ts';
import { configureRegistry, registryAnswers, registryDaemon, registryHost } from './registry.ts';
import { secondNodeInit } from './second-node.ts';
import { secondNode, type LabSettings, type RuntimeChoice } from './settings.ts';
import { waitFor } from './wait.ts';

/**
 * Brings the node up, or what of it is missing, and resolves when a pod can be scheduled. On the first call of a machine
 * that includes packages and builds. Throws LabError with what a person must do.
 */
export async function bringUp(settings: LabSettings, choice: RuntimeChoice, progress: Progress): Promise<Lab> {
  await checkChoice(settings, choice);
  const { packages } = await checkMachine(settings, choice);
  const dead = await deadDaemons(settings);
  if (dead.length === 0 && (await nodeReady(settings))) {
    progress.say('the lab is up already');
    return publish(settings, choice);
  }
  await installPackages(packages, progress);
  await checkSubnetFree(settings);
  await buildComponents(settings, progress);
  if (dead.length < DAEMONS.length) progress.say(`starting what does not run: ${dead.join(', ') || 'nothing'}`);
  await prepare(settings, choice);
  await start(settings, choice, progress);
  // Some daemons end themselves a moment after their configuration or another daemon has changed.
  if ((await deadDaemons(settings)).length > 0) await start(settings, choice, progress);
  const lab = await publish(settings, choice);
  progress.say(
    `node ${settings.nodeName} is Ready: Kubernetes and containerd ${lab.containerdVersion}, registry ${lab.registry}`,
  );
  return lab;
}

/** A lab keeps its runtime for life: containers of one cannot be taken over by the other. */
async function checkChoice(settings: LabSettings, choice: RuntimeChoice): Promise<void> {
  const used = await readFile(choiceFile(settings), 'utf8').catch(() => choice);
  if (used === choice) return;
  throw new LabError(
    `the lab in ${settings.dir} was made with --containerd ${used}`,
    `Run down first (npm run lab -- down), or up with --containerd ${used}.`,
  );
}

/** Everything but processes: folders, mounts, control groups, network, keys, configuration. */
async function prepare(settings: LabSettings, choice: RuntimeChoice): Promise<void> {
  await mkdir(settings.runDir, { recursive: true });
  await writeFile(choiceFile(settings), choice);
  await recordHost(settings);
  await prepareHost();
  await mountLab(settings);
  await makeCgroup(await cgroupLayout(), settings.cgroup);
  await Promise.all([
    connectNetwork(settings),
    makePki(settings),
    configureContainerd(settings, choice),
    configureRegistry(settings),
    configureNode(settings),
  ]);
}

async function start(settings: LabSettings, choice: RuntimeChoice, progress: Progress): Promise<void> {
  await Promise.all([
    startControlPlane(settings, progress),
    startRuntime(settings, choice, progress),
    startRegistry(settings),
  ]);
  await startKubelet(settings, ['kube-controller-manager', 'kube-apiserver']);
}

async function startControlPlane(settings: LabSettings, progress: Progress): Promise<void> {
  await startDaemon(settings, await kineDaemon(settings));
  await startDaemon(settings, apiServerDaemon(settings));
  await waitFor(settings, {
    what: 'API server that is ready',
    daemons: ['kine', 'kube-apiserver'],
    check: () => apiServerReady(settings),
    timeoutMs: 120_000,
  });
  progress.say('the API server is ready');
  await grantRights(settings);
  await startDaemon(settings, controllerManagerDaemon(settings));
  await startDaemon(settings, schedulerDaemon(settings));
  await startDaemon(settings, proxyDaemon(settings));
  await startDaemon(settings, await dnsDaemon(settings));
}

async function startRegistry(settings: LabSettings): Promise<void> {
  await startDaemon(settings, registryDaemon(settings));
  await waitFor(settings, {
    what: 'registry that answers',
    daemons: ['registry'],
    check: () => registryAnswers(settings),
    timeoutMs: 30_000,
  });
}

/** Writes lab.json anew. */
export async function publish(settings: LabSettings, choice: RuntimeChoice): Promise<Lab> {
  const lab = await describe(settings, choice);
  await writeLab(settings, lab);
  return lab;
}

async function describe(settings: LabSettings, choice: RuntimeChoice): Promise<Lab> {
  const { containerd, ctr } = runtimePrograms(settings, choice);
  // "containerd github.com/containerd/containerd/v2 v2.4.2 <revision>"
  const version = (await run(containerd, ['--version'])).split(/\s+/)[2] ?? '';
  await access(kubeconfigFile(settings, 'admin'));
  return {
    kubeconfig: kubeconfigFile(settings, 'admin'),
    kubeletRoot: kubeletRoot(settings),
    containerdSocket: containerdSocket(settings),
    nriSocket: nriSocket(settings, choice),
    registry: registryHost(settings),
    nodeName: settings.nodeName,
    nodeAddress: settings.addresses.node,
    hostAddress: settings.addresses.host,
    netns: settings.netns,
    cgroup: settings.cgroup,
    helm: program(settings, 'helm'),
    kubectl: program(settings, 'kubectl'),
    ctr,
    runtime: choice,
    containerdVersion: version.replace(/^v/, ''),
    logs: join(settings.dir, 'log'),
    dir: settings.dir,
    ...(await secondNodeOf(settings)),
  };
}

async function secondNodeOf(settings: LabSettings): Promise<Pick<Lab, 'second'>> {
  const initPid = await secondNodeInit(settings);
  const { nodeName, addresses } = secondNode(settings);
  return initPid === undefined ? {} : { second: { nodeName, nodeAddress: addresses.node, initPid } };
}

function choiceFile({ dir }: LabSettings): string {
  return join(dir, 'runtime');
}
