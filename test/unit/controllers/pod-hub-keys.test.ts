// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { PodHubKeys } from '../../../controllers/pod-hub-keys.ts';
import type { Pod } from '../../../src/api/pod.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import type { Refusal } from '../../../src/identity/holding.ts';
import { aModule, anIdentity, aPod } from '../../fakes/agent.ts';

const HUB = { hubHostName: 'h', moduleId: '$edgeHub', generationId: '638', keysSecretName: 'keys' };
const KEY = Buffer.alloc(32, 7).toString('base64');
const VOLUME: PublishedVolume = {
  ...{ volumeId: 'v', targetPath: '/t', podUid: 'pod-1', podNamespace: 'shop', podName: 'p' },
  attributes: { identity: 'till' },
};

let state: { pod: Pod | undefined; identities: ModuleIdentity[]; refusal: Refusal | undefined; imported: unknown[] };
let keys: PodHubKeys;

beforeEach(() => {
  state = { pod: aPod(), identities: [anIdentity({ iotEdge: HUB })], refusal: undefined, imported: [] };
  keys = new PodHubKeys({
    notary: {
      importHubKey: ({ key, ...rest }) => {
        state.imported.push({ ...rest, key: key.toString('base64') });
        return Promise.resolve();
      },
    },
    pod: () => state.pod,
    modules: () => [aModule()],
    identities: () => state.identities,
    wanted: () => state.refusal ?? { spiffeId: 's', dnsNames: [], lifetimeSeconds: 60, issuer: '' },
  });
});

it('brings in the keys of the module that the volume is for', async () => {
  await keys.take(VOLUME, { primary: `${KEY}\n`, secondary: KEY, other: 'x' });
  const module = { namespace: 'shop', moduleId: '$edgeHub', generationId: '638' };
  expect(state.imported).toEqual([
    { module, keyId: 'primary', key: KEY },
    { module, keyId: 'secondary', key: KEY },
  ]);
});

it('brings in the key of an IoT Edge device beside them, and never alone', async () => {
  await keys.take(VOLUME, { primary: KEY, encryption: Buffer.alloc(16, 7).toString('base64') });
  expect(state.imported).toMatchObject([{ keyId: 'primary' }, { keyId: 'encryption' }]);
});

it('takes the only identity where the volume names none', async () => {
  await keys.take({ ...VOLUME, attributes: {} }, { primary: KEY });
  expect(state.imported).toHaveLength(1);
  state.identities.push(anIdentity({}, 'other'));
  await expect(keys.take({ ...VOLUME, attributes: {} }, { primary: KEY })).rejects.toThrow(/found several/);
});

describe('nothing is brought in', () => {
  it.each<[string, string, RegExp, () => void]>([
    ['for a pod that is not known yet', 'Unavailable', /not known/, () => (state.pod = undefined)],
    ['for an identity that is not known yet', 'Unavailable', /found none/, () => (state.identities = [])],
    ['for a pod that is not of the module', 'Unavailable', /found none/, () => (state.pod = aPod({ labels: {} }))],
    [
      'where the identity asks for no Secret',
      'InvalidConfiguration',
      /ModuleIdentity till asks for none: name it in iotEdge\.keysSecretName/,
      () => (state.identities = [anIdentity()]),
    ],
    [
      "where they would take the place of another identity's",
      'InvalidConfiguration',
      /^HubModuleTaken: m$/,
      () => (state.refusal = { reason: 'HubModuleTaken', message: 'm' }),
    ],
  ])('%s', async (_what, code, message, change) => {
    change();
    const error: unknown = await keys.take(VOLUME, { primary: KEY }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
    expect(state.imported).toEqual([]);
  });

  it.each<[string, Record<string, string>]>([
    ['a Secret without keys', { Primary: KEY }],
    ['a key that is not base64', { primary: 'c2VjcmV0~' }],
    ['a key that is too short', { primary: 'c2VjcmV0' }],
    ['a key that is too long', { primary: Buffer.alloc(65).toString('base64') }],
    ['nothing but the key of an IoT Edge device', { encryption: KEY }],
    [
      'a key of an IoT Edge device of another length',
      { primary: KEY, encryption: Buffer.alloc(24).toString('base64') },
    ],
    ['one good key and one bad', { primary: KEY, secondary: '' }],
  ])('of %s, which no message shows', async (_what, secret) => {
    const error: unknown = await keys.take(VOLUME, secret).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'InvalidConfiguration',
      message: expect.stringMatching(/^Secret of iotEdge/) as unknown,
    });
    expect(String(error)).not.toContain('c2VjcmV0');
    expect(state.imported).toEqual([]);
  });
});
