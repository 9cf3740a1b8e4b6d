// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { readLab, type Lab } from '../lab/index.ts';
import { Kubectl } from './kubectl.ts';
import type { ClusterOptions } from './options.ts';
import { QuickstartError } from './quickstart-error.ts';

const LAB = resolve(import.meta.dirname, '../lab/cli.ts');

/** The cluster that the quickstart runs on. */
export interface Target {
  readonly kubectl: Kubectl;
  readonly helm: string;
  /** Where images are pushed to and pulled from; undefined: they are imported into the nodes by hand. */
  readonly registry?: string;
  /** The node's paths. */
  readonly kubeletRoot: string;
  readonly runtimeSocket: string;
  /** Where the runtime keeps the layers of images. */
  readonly runtimeRoot: string;
  readonly nriSocket: string;
  readonly stateDir: string;
  /** Where modules of the host find their folders. */
  readonly hostModules: string;
  /** What a user needs to look around: a line of shell. */
  readonly access: string;
  /** Whether the cluster is ours alone. */
  readonly isLab: boolean;
}

/** Brings the lab up (or what of it is missing) and gives it as a target. */
export async function labTarget(): Promise<Target> {
  await runLab('up');
  return targetOf(readLab());
}

/** The lab as it is; undefined where none is up. */
export function presentLab(): Target | undefined {
  try {
    return targetOf(readLab());
  } catch {
    return undefined;
  }
}

function targetOf(lab: Lab): Target {
  return {
    kubectl: new Kubectl(lab.kubectl, lab.kubeconfig),
    helm: lab.helm,
    registry: lab.registry,
    kubeletRoot: lab.kubeletRoot,
    runtimeSocket: lab.containerdSocket,
    runtimeRoot: join(lab.dir, 'containerd'),
    nriSocket: lab.nriSocket ?? '',
    // Inside the lab's folder, so that `lab down` leaves nothing on the machine.
    stateDir: join(lab.dir, 'keystead'),
    hostModules: join(lab.dir, 'host-modules'),
    access: `export KUBECONFIG=${lab.kubeconfig}`,
    isLab: true,
  };
}

/** Runs `npm run lab -- <command>`, its progress lines among ours. */
export async function runLab(command: 'up' | 'down'): Promise<void> {
  const child = spawn(process.execPath, [LAB, command], { stdio: 'inherit' });
  const code = await new Promise<number | null>((done, failed) => {
    child.once('error', failed);
    child.once('close', done);
  });
  if (code !== 0) throw new QuickstartError(`the lab did not go ${command}; what it said stands above`);
}

/** The cluster that KUBECONFIG (or kubectl's default) names. */
export async function clusterTarget(options: ClusterOptions): Promise<Target> {
  const kubectl = new Kubectl(onPath('kubectl'), undefined);
  await kubectl.run(['version', '-o', 'json']);
  return {
    kubectl,
    helm: onPath('helm'),
    ...(options.registry !== undefined && { registry: options.registry }),
    kubeletRoot: options.kubeletRoot,
    runtimeSocket: options.runtimeSocket,
    runtimeRoot: options.runtimeRoot,
    nriSocket: options.nriSocket,
    stateDir: '/var/lib/keystead',
    hostModules: '/run/keystead/host',
    access: `export KUBECONFIG=${process.env['KUBECONFIG'] ?? '~/.kube/config'}`,
    isLab: false,
  };
}

function onPath(program: string): string {
  const folder = (process.env['PATH'] ?? '').split(delimiter).find((path) => existsSync(join(path, program)));
  if (folder === undefined)
    throw new QuickstartError(`${program} is not on the PATH; --use-cluster needs kubectl and helm`);
  return join(folder, program);
}
