// SPDX-License-Identifier: Apache-2.0
import { findCondition } from '../../api/conditions.ts';
import { allOr, fail, warn, type InstallationCheck } from './port.ts';

export const trustBundle: InstallationCheck = {
  name: 'trust bundles',
  async run({ bundles, devices }) {
    const all = await bundles();
    const broken = all.flatMap(({ metadata, status }) => {
      const ready = findCondition(status?.conditions, 'Ready');
      if (ready?.status === 'True') return [];
      const found = ready ? `${ready.reason}: ${ready.message}` : 'the controller has not reported yet';
      return [fail(`bundle ${metadata.name ?? ''}: ${found}`, 'correct its sources and targets')];
    });
    const known = new Set(all.flatMap(({ status }) => status?.fingerprints ?? []));
    const unknown = (await devices()).flatMap(({ metadata, spec, status }) => {
      const fingerprint = status?.issuer?.fingerprint;
      if (fingerprint === undefined || known.has(fingerprint)) return [];
      const remedy = `make a TrustBundle of trust domain ${spec.trustDomain} with the source devices: {}`;
      return [warn(`the issuer of device ${metadata.name ?? ''} is in no bundle: other nodes do not trust it`, remedy)];
    });
    return allOr([...broken, ...unknown], `${all.length} ready, with the issuer of every device`);
  },
};
