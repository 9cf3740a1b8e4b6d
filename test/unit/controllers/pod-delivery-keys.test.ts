// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Credentials } from '../../../src/deliver/port.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { Issued } from '../../../src/identity/holding.ts';
import { serialOf, type Wanted } from '../../../src/issue/credentials.ts';
import { anIdentity } from '../../fakes/agent.ts';
import { makeCredentials, type Made } from '../workload/credentials.ts';
import { deliverySetting, HOUR, ID } from './pod-delivery-setting.ts';

let made: Made;
let leaf: string;
const setting = (held?: Credentials) => deliverySetting(made, held);

beforeAll(() => {
  made = makeCredentials([ID]);
  leaf = made.credentials[0]!.chain;
});

describe('a key in the token', () => {
  const KEY = { identityUid: 'i-till', generation: 1 };
  const hardware = anIdentity({ delivery: ['Volume', 'Socket'], key: { residency: 'Hardware' } });
  const before = () => ({
    serial: serialOf(leaf),
    notBefore: 0,
    notAfter: Date.now() + HOUR,
    renewalTime: 0,
    revision: 3,
    heldKey: { name: KEY, uri: 'pkcs11:x' },
  });

  /** A volume with the certificate alone, for which the status names key 1. */
  function held() {
    const { state, holder, delivery } = setting({ privateKey: 'key', chain: leaf });
    state.credentials = { chain: leaf };
    state.wanted = { ...(state.wanted as Wanted), key: KEY };
    return { state, delivery, holder: { ...holder, issued: new Map<string, Issued>([['till', before()]]) } };
  }

  it('is certified, and its certificate delivered without a private key', async () => {
    const { state, holder, delivery } = setting();
    state.wanted = { ...(state.wanted as Wanted), key: KEY };
    expect(await delivery.ensure(hardware, holder)).toMatchObject({ heldKey: { name: KEY, uri: 'pkcs11:x' } });
    expect(state.done).toEqual(['issue for key 1', 'write v for 1000', 'serve till']);
    expect(state.served.get('till')).not.toHaveProperty('privateKey');
  });

  it('stays with its certificate after a restart of the agent, and is served again', async () => {
    const { state, holder, delivery } = held();
    expect(await delivery.ensure(hardware, holder)).toMatchObject({ revision: 3, heldKey: { name: KEY } });
    expect(state.done).toEqual(['serve till']);
    expect(state.served.get('till')).toMatchObject({ heldKey: { name: KEY, uri: 'pkcs11:x' } });
  });

  it.each<[string, (change: ReturnType<typeof held>) => void]>([
    [
      'the key was rotated',
      ({ state }) => (state.wanted = { ...(state.wanted as Wanted), key: { ...KEY, generation: 2 } }),
    ],
    ['the key is gone from the token', ({ state }) => (state.lost = true)],
    ['it is not known which key it is for', ({ holder }) => holder.issued.clear()],
    ['the private key lies beside it', ({ state }) => (state.credentials = { privateKey: 'key', chain: leaf })],
  ])('gets a new certificate where %s', async (_why, change) => {
    const found = held();
    change(found);
    await found.delivery.ensure(hardware, found.holder);
    expect(found.state.done).toContainEqual(expect.stringMatching(/^issue for key/));
  });

  it('is not replaced by one in memory: where it cannot be made, what lay in the volume is withdrawn', async () => {
    const { state, holder, delivery } = setting({ privateKey: 'key', chain: leaf });
    state.wanted = { ...(state.wanted as Wanted), key: KEY };
    state.failure = new KeysteadError('MechanismMissing', 'the token has no CKM_EC_KEY_PAIR_GEN');
    expect(await delivery.ensure(hardware, holder)).toMatchObject({ reason: 'MechanismMissing' });
    expect(state.done).toEqual(['serve till', 'issue for key 1', 'withdraw v', 'unserve till']);
  });

  it('gives way to a key in memory when that is asked for', async () => {
    const { state, holder, delivery } = held();
    const { key: _none, ...wanted } = state.wanted as Wanted;
    state.wanted = wanted;
    expect(await delivery.ensure(anIdentity(), holder)).not.toHaveProperty('heldKey');
    expect(state.done).toEqual(['issue', 'write v for 1000']);
  });
});
