// SPDX-License-Identifier: Apache-2.0
import { runningDaemon } from './daemon.ts';
import type { LabSettings } from './settings.ts';

/** Every daemon of a lab, in the order in which they are ended: first those that would start something anew. */
export const DAEMONS = [
  'kubelet',
  'containerd',
  'coredns',
  'kube-proxy',
  'kube-scheduler',
  'kube-controller-manager',
  'kube-apiserver',
  'kine',
  'registry',
] as const;

/** Those that do not run. */
export async function deadDaemons(settings: LabSettings): Promise<string[]> {
  const dead: string[] = [];
  for (const name of DAEMONS) if (!(await runningDaemon(settings, name))) dead.push(name);
  return dead;
}
