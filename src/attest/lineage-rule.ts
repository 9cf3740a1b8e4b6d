// SPDX-License-Identifier: Apache-2.0
import { failed, held, moduleContainer, moduleName, ofProcess, type Rule } from './rule.ts';

/**
 * The process is what the container was started with, or descends from it. Who was put in from outside is refused
 * unless the module allows it; what the kubelet itself executes (exec probes, lifecycle hooks of the pod's spec) may be.
 * A probe may have executed another program meanwhile (`sh -c 'exec check'`): in a pod that declares probes whoever is
 * no older than they may become is let pass, but not on a socket.
 */
export const lineage: Rule = {
  name: 'Lineage',
  reason: 'LineageMismatch',
  check: ofProcess((process, module, { pod, call }) => {
    const { lineage: origin } = process;
    if (origin.kind !== 'Entered') {
      return held(origin.kind === 'First' ? 'the first process of its container' : 'a descendant of the first process');
    }
    const entered = `${JSON.stringify(origin.argv)} (process ${origin.pid} of the node), executed in the container from outside`;
    if (module.allowExec) return held(`${entered}; EdgeModule ${moduleName(module)} allows it`);
    const container = pod === undefined ? undefined : moduleContainer(pod, module);
    const probes = pod?.probes[container ?? ''];
    if (probes?.commands.some((probe) => same(probe, origin.argv)) === true) {
      return held(`${entered}; the pod declares it as a probe or hook`);
    }
    if (probes !== undefined && call === undefined && origin.ageSeconds <= probes.seconds) {
      return held(`${entered} ${origin.ageSeconds.toFixed(1)} s ago; a probe of the pod may run so long`);
    }
    const remedy = `end it and the identity comes back, or set process.allowExec of EdgeModule ${moduleName(module)}`;
    return failed('processes that the container itself has started', entered, remedy);
  }),
};

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((argument, index) => argument === other[index]);
}
