// SPDX-License-Identifier: Apache-2.0
import { edgeDevices, edgeModules, moduleIdentities, trustBundles } from '../../api/resources.ts';
import { allOr, fail, type InstallationCheck } from './port.ts';

export const customResources: InstallationCheck = {
  name: 'CRDs',
  vital: true,
  async run({ cluster }) {
    const kinds = [edgeDevices, edgeModules, moduleIdentities, trustBundles];
    const served = await Promise.all(kinds.map((kind) => cluster.serves(kind)));
    const missing = kinds.filter((_kind, index) => served[index] !== true).map(({ kind }) => kind);
    const problem = fail(`the API server does not know ${missing.join(', ')}`, 'install the chart, or apply crds/');
    return allOr(missing.length > 0 ? [problem] : [], `${kinds.length} kinds are served`);
  },
};
