// SPDX-License-Identifier: Apache-2.0
import { CSI_DRIVER } from '../../api/names.ts';
import { CSI_DRIVERS, CSI_NODES } from '../kinds.ts';
import { allOr, fail, type InstallationCheck } from './port.ts';

export const csiDriver: InstallationCheck = {
  name: 'CSI driver',
  async run({ cluster, agents }) {
    if (!(await cluster.find(CSI_DRIVERS, { name: CSI_DRIVER }))) {
      return [
        fail(`there is no CSIDriver ${CSI_DRIVER}`, 'install the chart anew; kubelets refuse the volumes without'),
      ];
    }
    const [nodes, pods] = await Promise.all([cluster.list(CSI_NODES), agents()]);
    const registered = new Set(
      nodes
        .filter(({ spec }) => spec?.drivers?.some(({ name }) => name === CSI_DRIVER))
        .map(({ metadata }) => metadata?.name),
    );
    const remedy = "set the chart's kubeletRoot to the kubelet's --root-dir; the agent's log tells of the registration";
    const missing = pods
      .map(({ spec }) => spec?.nodeName)
      .filter((node) => node !== undefined && !registered.has(node))
      .map((node) => fail(`the kubelet of node ${node ?? ''} does not know ${CSI_DRIVER}`, remedy));
    return allOr(missing, `registered on ${registered.size} nodes`);
  },
};
