// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { only, parse, render, type Rendered } from './helm.ts';
import { DEMO, EVERYTHING } from './value-sets.ts';

interface PodSpec {
  readonly containers: readonly {
    readonly name: string;
    readonly volumeMounts: readonly unknown[];
    readonly env: readonly unknown[];
  }[];
  readonly initContainers: readonly { readonly name: string }[];
  readonly volumes: readonly unknown[];
  readonly securityContext: unknown;
}

const nodePod = (objects: readonly Rendered[]): PodSpec =>
  (only(objects, 'DaemonSet')['spec'] as { template: { spec: PodSpec } }).template.spec;
const deviceTemplate = (objects: readonly Rendered[]): unknown => {
  const templates = only(objects, 'ConfigMap', 'keystead-templates') as unknown as { data: Record<string, string> };
  return parse(templates.data['device.yaml']!);
};
const initNames = (objects: readonly Rendered[]): string[] => nodePod(objects).initContainers.map(({ name }) => name);

describe('the root of trust in the chart', () => {
  it('is a TPM that the agent, which alone may open devices, relays to the notary', async () => {
    const { volumes, containers } = nodePod(await render(EVERYTHING));
    expect(volumes).toContainEqual({ name: 'tpm', hostPath: { path: '/dev/tpmrm0', type: 'CharDevice' } });
    const mounting = containers.filter(({ volumeMounts }) =>
      volumeMounts.some((mount) => JSON.stringify(mount).includes('/dev/tpmrm0')),
    );
    expect(mounting.map(({ name }) => name)).toEqual(['agent']);
    for (const { env } of containers) {
      expect(env).toContainEqual({ name: 'KEYSTEAD_TPM_DEVICE', value: '/dev/tpmrm0' });
      expect(env).toContainEqual({ name: 'KEYSTEAD_NOTARY_TPM_RELAY', value: '/run/keystead/tpm.sock' });
    }
  });

  it('is software with a passphrase of its own on each node, or the one in a Secret', async () => {
    const values = { software: { enabled: true }, device: DEMO.device };
    const own = await render(values);
    expect(initNames(own)).toEqual(['state-dir', 'software-passphrase']);
    expect(deviceTemplate(own)).toMatchObject({ spec: { rootOfTrust: { software: {} } } });
    expect(initNames(await render({ ...values, pin: { secretName: 'passphrase' } }))).toEqual(['state-dir']);
  });

  it('takes the node-wide TPM into the devices', async () => {
    const device = { create: true, spec: { trustDomain: 'edge.test', rootOfTrust: { tpm: {} } } };
    const objects = await render({ tpm: { device: '/dev/tpmrm0' }, device });
    expect(deviceTemplate(objects)).toMatchObject({ spec: { rootOfTrust: { tpm: {} } } });
    expect(nodePod(objects).securityContext).not.toHaveProperty('supplementalGroups');
  });
});
