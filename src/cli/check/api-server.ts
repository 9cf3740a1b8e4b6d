// SPDX-License-Identifier: Apache-2.0
import { fail, ok, type InstallationCheck } from './port.ts';

/** ValidatingAdmissionPolicies, which hold each agent to its node, are served from here on. */
const OLDEST_MINOR = 30;

export const apiServer: InstallationCheck = {
  name: 'API server',
  vital: true,
  async run({ cluster }) {
    const { gitVersion } = await cluster.version();
    const [, major = '', minor = ''] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
    const old = Number(major) === 1 && Number(minor) < OLDEST_MINOR;
    return old
      ? [fail(`Kubernetes ${gitVersion}, older than 1.${OLDEST_MINOR}`, 'upgrade the cluster')]
      : [ok(`Kubernetes ${gitVersion}`)];
  },
};
