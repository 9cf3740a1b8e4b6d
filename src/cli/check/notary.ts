// SPDX-License-Identifier: Apache-2.0
import { unmet } from './device-conditions.ts';
import type { EdgeDevice } from '../../api/v1alpha1/index.ts';
import { allOr, warn, type InstallationCheck, type Outcome } from './port.ts';

export const notary: InstallationCheck = {
  name: 'notary',
  async run(installation) {
    const devices = await installation.devices();
    if (devices.length === 0) {
      return [warn('there is no EdgeDevice', 'apply one for each node, or have the chart make them (device.create)')];
    }
    const remedy = "the README's table of errors says what to do about each reason; the notary's log has more";
    const token = unmet(devices, 'RootOfTrustReady', remedy);
    // Without a token there is no issuer either: one cause, one line.
    const problems = token.length > 0 ? token : unmet(devices, 'IssuerReady', remedy);
    const tokens = devices.map(({ status }) => [status?.token?.kind, status?.token?.label].filter(Boolean).join(' '));
    const software = devices.filter(({ status }) => status?.token?.kind === 'Software').map(softwareKeys);
    return allOr(
      [...problems, ...software],
      `issues on ${devices.length} devices, by ${[...new Set(tokens)].join(', ')}`,
    );
  },
};

function softwareKeys({ metadata }: EdgeDevice): Outcome {
  const found = `device ${metadata.name ?? ''}: its keys are SOFTWARE and prove nothing about the device`;
  return warn(found, 'give it a token or a TPM (rootOfTrust.pkcs11, rootOfTrust.tpm)');
}
