// SPDX-License-Identifier: Apache-2.0
import { isPodReady, whyNotReady } from './pod-readiness.ts';
import { fail, ok, warn, type InstallationCheck } from './port.ts';

export const controller: InstallationCheck = {
  name: 'controller',
  async run({ controllers }) {
    const pods = await controllers();
    const ready = pods.filter(isPodReady);
    const stuck = pods.filter((pod) => !isPodReady(pod));
    if (pods.length === 0) {
      return [fail('no pod of the controller', 'install the chart; see kubectl get deployments -A')];
    }
    const remedy = 'see kubectl describe pod, and its log';
    if (ready.length === 0) return [fail(`no pod is ready: ${stuck.map(whyNotReady).join('; ')}`, remedy)];
    if (stuck.length > 0) return [warn(stuck.map(whyNotReady).join('; '), remedy)];
    return [ok(`${ready.length} ready`)];
  },
};
