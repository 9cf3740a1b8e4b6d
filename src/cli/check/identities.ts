// SPDX-License-Identifier: Apache-2.0
import { allOr, warn, type InstallationCheck } from './port.ts';

/** More would hide the rest. */
const MOST = 10;

export const identities: InstallationCheck = {
  name: 'identities',
  async run(installation) {
    const all = await installation.identities();
    const denied = all.flatMap(({ metadata, status }) =>
      (status?.holders ?? [])
        .filter(({ verdict }) => verdict === 'Denied')
        .map(({ pod, reason = '' }) =>
          warn(
            `${metadata.namespace ?? ''}/${metadata.name ?? ''}: pod ${pod} was denied, ${reason}`,
            `keystead explain pod/${pod} -n ${metadata.namespace ?? ''}`,
          ),
        ),
    );
    const more = denied.length - MOST;
    const rest = more > 0 ? [warn(`${more} more pods were denied`, 'keystead status -A')] : [];
    return allOr([...denied.slice(0, MOST), ...rest], `${all.length} declared, no pod is denied`);
  },
};
