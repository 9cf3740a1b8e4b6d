// SPDX-License-Identifier: Apache-2.0
import { NODES } from '../kinds.ts';
import { isPodReady, whyNotReady } from './pod-readiness.ts';
import { allOr, fail, warn, type InstallationCheck } from './port.ts';

export const agents: InstallationCheck = {
  name: 'agents',
  async run(installation) {
    const [pods, nodes] = await Promise.all([installation.agents(), installation.cluster.list(NODES)]);
    const covered = new Set(pods.map(({ spec }) => spec?.nodeName));
    const stuck = pods
      .filter((pod) => !isPodReady(pod))
      .map((pod) => fail(whyNotReady(pod), 'GET /readyz of the pod, or its log, says what it waits for'));
    const bare = nodes
      .map(({ metadata }) => metadata?.name ?? '')
      .filter((node) => !covered.has(node))
      .map((node) => {
        const remedy = 'modules there get no identity: see node selector and tolerations of the DaemonSet';
        return warn(`no agent on node ${node}`, remedy);
      });
    return allOr([...stuck, ...bare], `ready on ${pods.length} of ${nodes.length} nodes`);
  },
};
