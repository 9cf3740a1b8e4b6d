// SPDX-License-Identifier: Apache-2.0
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupLayout, processesIn, removeCgroup } from './cgroups.ts';
import { succeeds } from './command.ts';
import { program } from './components.ts';
import { stopDaemon } from './daemon.ts';
import { LabError } from './lab-error.ts';
import { kubeconfigFile } from './pki.ts';
import type { Progress } from './progress.ts';
import { hasSecondNode, SECOND_NODE_DAEMON, secondNodeOutside } from './second-node.ts';
import { secondNode, type LabSettings } from './settings.ts';

/** Takes the second node out of the cluster and removes what of it is on this machine. Harmless where there is none. */
export async function removeSecondNode(settings: LabSettings, progress: Progress): Promise<void> {
  if (!(await hasSecondNode(settings))) return;
  const { nodeName, cgroup, hostInterface, addresses } = secondNode(settings);
  const { dir, netns } = secondNodeOutside(settings);
  const kubectl = (...args: string[]) =>
    succeeds(program(settings, 'kubectl'), [`--kubeconfig=${kubeconfigFile(settings, 'admin')}`, ...args]);
  // With its process 1 everything in its process namespace ends.
  await stopDaemon(secondNodeOutside(settings), SECOND_NODE_DAEMON, 0);
  const pods = ['pods', '--all-namespaces', `--field-selector=spec.nodeName=${nodeName}`];
  await kubectl('delete', 'node', nodeName, '--ignore-not-found', '--timeout=20s');
  await kubectl('delete', ...pods, '--force', '--grace-period=0', '--wait=false');
  const inFirst = (...args: string[]) => succeeds('nsenter', [`--net=${settings.netns}`, '--', 'ip', ...args]);
  await inFirst('route', 'delete', addresses.pods);
  await inFirst('link', 'delete', 'dev', hostInterface);
  await succeeds('umount', ['-l', netns]);
  await rm(netns, { force: true });
  const layout = await cgroupLayout();
  for (let round = 0; (await processesIn(layout, cgroup)).length > 0; round++) {
    if (round > 100) throw new LabError('processes of the second node do not end', 'npm run lab -- down');
    await sleep(50);
  }
  await removeCgroup(layout, cgroup);
  await rm(dir, { recursive: true, force: true });
  progress.say(`node ${nodeName} has left`);
}
