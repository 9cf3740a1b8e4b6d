// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { InvalidCase } from './cases/case.ts';
import { forbiddenDeviceChanges, invalidDevices } from './cases/edge-device.ts';
import { forbiddenModuleChanges, invalidHostModules, invalidModules } from './cases/edge-module.ts';
import { forbiddenIdentityChanges, invalidIdentities } from './cases/module-identity.ts';
import { forbiddenBundleChanges, invalidBundles } from './cases/trust-bundle.ts';
import { PROCESS } from '../../fakes/declared.ts';
import { Cluster, type Example } from './cluster.ts';
import { EXAMPLES, readExample } from './examples.ts';
import { mergePatch, type JsonObject } from './merge-patch.ts';

const DEVICE_ISSUER = {
  selfSigned: { keyAlgorithm: 'EC-P256', lifetime: '8760h' },
  maxLeafLifetime: '24h',
  dnsSuffixes: [],
};
const MODULE_DEFAULTS = {
  template: { kind: 'Deployment', replicas: 1 },
  images: [],
  process: PROCESS,
  pod: { allowPrivileged: false, allowSharedProcessNamespace: false },
  remeasureInterval: '30s',
  onViolation: 'Revoke',
  desiredState: 'Running',
  startupOrder: 4294967295,
};

let cluster: Cluster;
const example = (name: string): Example => readExample(name, cluster.namespace);

beforeAll(async () => {
  cluster = await Cluster.open();
}, 60_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
}, 60_000);

describe('the API server', () => {
  it.each(EXAMPLES)('accepts the example %s', async (name) => {
    expect(await cluster.tryCreate(example(name))).toHaveProperty('object');
  });

  it.each([
    ['edge-device', { issuer: DEVICE_ISSUER, masterSecret: { version: 1 } }],
    ['edge-device-tpm', { rootOfTrust: { tpm: { storageHandle: '0x81000001' } } }],
    ['edge-device-software', { rootOfTrust: { software: { passphraseFile: '/etc/keystead/pin/pin' } } }],
    ['edge-module', MODULE_DEFAULTS],
    [
      'module-identity',
      {
        x509: { duration: '1h', renewAtPercent: 50, dnsNames: [] },
        delivery: ['Volume'],
        key: { residency: 'Memory' },
      },
    ],
    ['trust-bundle', { targets: { clusterTrustBundle: false } }],
  ])('fills in the defaults of %s', async (name, spec) => {
    expect(await cluster.tryCreate(example(name))).toMatchObject({ object: { spec } });
  });

  it('fills in the defaults of an issuer that is given in part', async () => {
    const object = mergePatch(example('edge-device'), { spec: { issuer: { selfSigned: { lifetime: '48h' } } } });
    expect(await cluster.tryCreate(object as Example)).toMatchObject({
      object: { spec: { issuer: { ...DEVICE_ISSUER, selfSigned: { keyAlgorithm: 'EC-P256', lifetime: '48h' } } } },
    });
  });

  it('passes on what it does not know of a pod spec', async () => {
    const unknown = { hostNetwork: true, volumes: [{ name: 'a', emptyDir: {} }] };
    const object = mergePatch(example('edge-module'), { spec: { template: { pod: { spec: unknown } } } });
    expect(await cluster.tryCreate(object as Example)).toMatchObject({
      object: { spec: { template: { pod: { spec: unknown } } } },
    });
  });
});

describe.each<[string, readonly InvalidCase[]]>([
  ['EdgeDevice', invalidDevices],
  ['EdgeModule', invalidModules],
  ['EdgeModule', invalidHostModules],
  ['ModuleIdentity', invalidIdentities],
  ['TrustBundle', invalidBundles],
])('an invalid %s is refused', (_kind, cases) => {
  it.each(cases)('$name', async ({ example: name, patch, message }) => {
    const object = mergePatch(example(name), patch) as Example;
    expect(await cluster.tryCreate(object)).toEqual({ refusal: expect.stringContaining(message) });
  });
});

describe('a live object', () => {
  const live = ['edge-device', 'edge-module', 'edge-module-selector', 'module-identity', 'module-identity-full'];
  beforeAll(async () => {
    for (const name of [...live, 'trust-bundle']) await cluster.create(example(name));
  }, 30_000);

  it.each([
    ...forbiddenDeviceChanges,
    ...forbiddenModuleChanges,
    ...forbiddenIdentityChanges,
    ...forbiddenBundleChanges,
  ])('$example refuses $name', async ({ example: name, patch, message }) => {
    expect(await cluster.tryPatch(example(name), patch)).toEqual({ refusal: expect.stringContaining(message) });
  });

  it.each<[string, JsonObject]>([
    [
      'edge-device',
      { spec: { rootOfTrust: { pkcs11: { tokenLabel: null, slot: 4 } }, issuer: { dnsSuffixes: ['a'] } } },
    ],
    ['edge-module', { spec: { template: { replicas: 0 }, desiredState: 'Stopped', startupOrder: 1 } }],
    ['edge-module-selector', { spec: { selector: { matchLabels: { app: 'b' } }, onViolation: 'Evict' } }],
    ['module-identity', { spec: { delivery: ['Secret'], secretName: 'a', x509: { duration: '2h' } } }],
    ['trust-bundle', { spec: { targets: { clusterTrustBundle: true } } }],
  ])('%s takes a change of what may change', async (name, patch) => {
    expect(await cluster.tryPatch(example(name), patch)).toHaveProperty('object');
  });
});
