// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORIES, type DemoImages } from './images.ts';
import { until, type KubeObject } from './kubectl.ts';
import { QuickstartError } from './quickstart-error.ts';
import type { Target } from './target.ts';
import { troubles } from './waiting-pods.ts';

const execute = promisify(execFile);
const CHART = resolve(import.meta.dirname, '../../charts/keystead');

export const SYSTEM_NAMESPACE = 'keystead-system';
export const RELEASE = 'keystead';
export const TRUST_DOMAIN = 'edge.example.org';

/** Values of the chart for this target: a software token on every node, an EdgeDevice for each, one trust bundle. */
function chartValues(target: Target, images: DemoImages): object {
  return {
    image: { registry: images.registry, repository: REPOSITORIES.product, digest: images.digests.product.index },
    kubeletRoot: target.kubeletRoot,
    stateDir: target.stateDir,
    runtime: { socket: target.runtimeSocket, root: target.runtimeRoot, nriSocket: target.nriSocket },
    hostModules: { enabled: target.isLab, folder: target.hostModules },
    softhsm: { enabled: true },
    signatures: { plainHttpRegistries: target.isLab ? [images.registry] : [] },
    device: { create: true, spec: { trustDomain: TRUST_DOMAIN } },
    controller: { replicas: 1 },
  };
}

/** Installs or upgrades the release. Returns when the API server has taken everything, not when it runs. */
export async function installChart(target: Target, images: DemoImages): Promise<void> {
  const namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    // The agent mounts volumes for the kubelet, which Pod Security calls privileged.
    metadata: { name: SYSTEM_NAMESPACE, labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
  };
  await target.kubectl.apply(JSON.stringify(namespace));
  const args = ['upgrade', '--install', RELEASE, CHART, '--namespace', SYSTEM_NAMESPACE, '--values', '-'];
  // In the lab, somebody may have applied the CRDs by hand before; elsewhere that is not ours to overrule.
  if (target.isLab) args.push('--take-ownership', '--force-conflicts');
  await helm(target, args, JSON.stringify(chartValues(target, images)));
  await target.kubectl.run([
    'wait',
    '--for=condition=Established',
    '--timeout=30s',
    ...CRDS.map((name) => `crd/${name}`),
  ]);
}

const CRDS = ['edgedevices', 'edgemodules', 'moduleidentities', 'trustbundles'].map((name) => `${name}.keystead.dev`);

interface DaemonSet extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly generation: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled: number;
    readonly updatedNumberScheduled?: number;
    readonly numberReady: number;
  };
}

interface Deployment extends KubeObject {
  readonly metadata: KubeObject['metadata'] & { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly observedGeneration?: number;
    readonly updatedReplicas?: number;
    readonly readyReplicas?: number;
    readonly replicas?: number;
  };
}

/** Waits until the controller and every node's agent and notary run in this version and are ready. */
export async function waitForRelease(target: Target): Promise<void> {
  await until('the controller', 120, async () => {
    const found = await target.kubectl.find<Deployment>([
      '-n',
      SYSTEM_NAMESPACE,
      'deployment',
      `${RELEASE}-controller`,
    ]);
    if (found === undefined) return 'its Deployment is not there';
    if (controllerReady(found)) return true;
    const waiting = await troubles(target.kubectl, SYSTEM_NAMESPACE);
    return `${found.status.readyReplicas ?? 0} of ${found.spec.replicas} ready${waiting}`;
  });
  await until('agent and notary', 180, async () => {
    const found = await target.kubectl.find<DaemonSet>(['-n', SYSTEM_NAMESPACE, 'daemonset', `${RELEASE}-node`]);
    const { numberReady = 0, desiredNumberScheduled = 0 } = found?.status ?? {};
    if (found !== undefined && nodesReady(found)) return true;
    const waiting = await troubles(target.kubectl, SYSTEM_NAMESPACE);
    return `ready on ${numberReady} of ${desiredNumberScheduled} nodes${waiting}`;
  });
}

function controllerReady({ metadata, spec, status }: Deployment): boolean {
  const { observedGeneration, updatedReplicas, readyReplicas, replicas } = status;
  return (
    observedGeneration === metadata.generation &&
    [updatedReplicas, readyReplicas, replicas].every((n) => n === spec.replicas)
  );
}

function nodesReady({ metadata, status }: DaemonSet): boolean {
  const { observedGeneration, desiredNumberScheduled: desired, updatedNumberScheduled, numberReady } = status;
  return (
    observedGeneration === metadata.generation &&
    desired > 0 &&
    updatedNumberScheduled === desired &&
    numberReady === desired
  );
}

/** Uninstalls the release, its custom resources and its namespace, where they are there. */
export async function uninstall(target: Target): Promise<void> {
  await helm(target, [
    'uninstall',
    RELEASE,
    '--namespace',
    SYSTEM_NAMESPACE,
    '--ignore-not-found',
    '--wait',
    '--cascade',
    'foreground',
  ]);
  await target.kubectl.run(['delete', 'crd', '--ignore-not-found', '--timeout=60s', ...CRDS]);
  await target.kubectl.run(['delete', 'namespace', SYSTEM_NAMESPACE, '--ignore-not-found', '--timeout=120s']);
}

async function helm(target: Target, args: readonly string[], input = ''): Promise<string> {
  const running = execute(target.helm, args, { env: target.kubectl.environment, maxBuffer: 16 * 1024 * 1024 });
  running.child.stdin?.end(input);
  try {
    return (await running).stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new QuickstartError(`helm ${args.join(' ')}: ${(stderr?.trim() ?? '') || message}`, { cause: error });
  }
}
