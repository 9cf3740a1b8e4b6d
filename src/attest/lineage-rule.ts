// SPDX-License-Identifier: Apache-2.0
import type { Evidence, ModulePolicy, PodEvidence, ProbeEvidence } from './port.ts';
import { failed, held, moduleContainer, moduleName, ofProcess, type Rule } from './rule.ts';

/**
 * The process is what the container was started with, or descends from it. Who was put in from outside is refused
 * unless the module allows it, and the whole container with him until it restarts; what the kubelet itself executes (exec probes, lifecycle hooks of the pod's spec) may be.
 * A probe may have executed another program meanwhile (`sh -c 'exec check'`): in a pod that declares probes whoever is
 * no older than they may become is let pass, but not on a socket.
 */
export const lineage: Rule = {
  name: 'Lineage',
  reason: 'LineageMismatch',
  check: ofProcess((process, module, evidence) => {
    const { lineage: origin } = process;
    const { pod, call, opened } = evidence;
    if (opened !== undefined && !module.allowExec) return failed(ALONE, opened, remedy(module));
    if (origin.kind !== 'Entered') {
      return held(origin.kind === 'First' ? 'the first process of its container' : 'a descendant of the first process');
    }
    const entered = `${JSON.stringify(origin.argv)} (process ${origin.pid} of the node), executed in the container from outside`;
    if (module.allowExec) return held(`${entered}; EdgeModule ${moduleName(module)} allows it`);
    const probes = probesOf(pod, module);
    if (probes?.commands.some((probe) => same(probe, origin.argv)) === true) {
      return held(`${entered}; the pod declares it as a probe or hook`);
    }
    if (probes !== undefined && call === undefined && origin.ageSeconds <= probes.seconds) {
      return held(`${entered} ${origin.ageSeconds.toFixed(1)} s ago; a probe of the pod may run so long`);
    }
    return failed(ALONE, entered, remedy(module));
  }),
};

const ALONE = 'processes that the container itself has started';

function remedy(module: ModulePolicy): string {
  return `restart the container (delete the pod) and the identity comes back, or set process.allowExec of EdgeModule ${moduleName(module)}`;
}

/** Whether somebody has opened the container, in words: the process was put in from outside, and is no probe or hook of the pod. */
export function openedBy(evidence: Evidence): string | undefined {
  const { process, pod, modules } = evidence;
  const [module] = modules;
  const origin = process?.lineage;
  if (module === undefined || module.allowExec || origin?.kind !== 'Entered') return undefined;
  // He is about to begin or has just ended.
  if (origin.argv.length === 0) return openedUnseen(evidence, origin.pid);
  const probes = probesOf(pod, module);
  const isProbe = probes?.commands.some((probe) => same(probe, origin.argv)) ?? false;
  if (isProbe || (probes !== undefined && origin.ageSeconds <= probes.seconds)) return undefined;
  return `that ${JSON.stringify(origin.argv)} was executed in the container from outside`;
}

/** The same of a process of which nothing is known: in a pod without probes and hooks nobody else executes any. */
export function openedUnseen({ pod, modules }: Evidence, pid: number): string | undefined {
  const [module] = modules;
  if (module === undefined || module.allowExec || probesOf(pod, module) !== undefined) return undefined;
  return `that process ${pid} of the node was executed in the container from outside`;
}

function probesOf(pod: PodEvidence | undefined, module: ModulePolicy): ProbeEvidence | undefined {
  return pod?.probes[moduleContainer(pod, module) ?? ''];
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((argument, index) => argument === other[index]);
}
