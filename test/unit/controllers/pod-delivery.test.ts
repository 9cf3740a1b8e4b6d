// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { PodDelivery } from '../../../controllers/pod-delivery.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { Issued } from '../../../src/identity/holding.ts';
import { serialOf, type Wanted } from '../../../src/issue/credentials.ts';
import { aContainer, anIdentity, aPod } from '../../fakes/agent.ts';
import { makeCredentials, type Made } from '../workload/credentials.ts';
import { deliverySetting, HOUR, ID } from './pod-delivery-setting.ts';

let authority: { leaf: string; other: string };
let made: Made;
const setting = (held?: () => string) => deliverySetting(made, held && { privateKey: 'key', chain: held() });

beforeAll(() => {
  made = makeCredentials([ID, `${ID}-other`]);
  const [leaf, other] = made.credentials.map(({ chain }) => chain);
  authority = { leaf: leaf!, other: other! };
});

describe('ensuring an identity', () => {
  it('issues once and writes it into the volume for the module user', async () => {
    const { state, holder, delivery } = setting();
    expect(await delivery.ensure(anIdentity(), holder)).toMatchObject({ serial: 'ff', revision: 1 });
    expect(state.done).toEqual(['issue', 'write v for 1000']);
  });

  it('keeps what the volume holds where it fits, as after a restart of the agent', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    expect(await delivery.ensure(anIdentity(), holder)).toMatchObject({ revision: 1 });
    expect(state.done).toEqual([]);
  });

  it.each<[string, (state: ReturnType<typeof setting>['state']) => void]>([
    ['is for another SPIFFE ID', (state) => (state.credentials = { privateKey: 'key', chain: authority.other })],
    ['is due for renewal', (state) => (state.renewIn = -1)],
    ['was made while the clock was ahead', (state) => (state.now -= HOUR)],
    [
      'has another lifetime than is wanted now',
      (state) => (state.wanted = { ...(state.wanted as Wanted), lifetimeSeconds: 600 }),
    ],
    ['lacks a DNS name', (state) => (state.wanted = { ...(state.wanted as Wanted), dnsNames: ['till.shop.svc'] })],
  ])('issues anew where what the volume holds %s', async (_why, change) => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    change(state);
    await delivery.ensure(anIdentity(), holder);
    expect(state.done).toEqual(['issue', 'write v for 1000']);
  });

  it('withdraws and says why where the identity is refused', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    state.wanted = { reason: 'IdentityTaken', message: 'taken' };
    expect(await delivery.ensure(anIdentity(), holder)).toEqual(state.wanted);
    expect(state.done).toEqual(['withdraw v']);
  });

  it('withdraws nothing while only the issuer is away', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    state.wanted = { reason: 'IssuerNotReady', message: 'wait', passing: true };
    expect(await delivery.ensure(anIdentity(), holder)).toMatchObject({ reason: 'IssuerNotReady' });
    expect(state.done).toEqual([]);
  });

  it('keeps the old certificate when renewal fails, and refuses when there is none', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    state.renewIn = -1;
    state.failure = new KeysteadError('Unavailable', 'the notary is away');
    const before = { serial: '01', notBefore: 0, notAfter: state.now + HOUR, renewalTime: 0, revision: 3 };
    expect(await delivery.ensure(anIdentity(), { ...holder, issued: new Map([['till', before]]) })).toBe(before);
    expect(await delivery.ensure(anIdentity(), holder)).toEqual({
      reason: 'Unavailable',
      message: 'the notary is away',
    });
  });

  it('leaves a pod that is being deleted what it has, and gives it nothing new', async () => {
    const leaving = { ...aPod(), metadata: { ...aPod().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
    const { state, holder, delivery } = setting(() => authority.leaf);
    state.renewIn = -1;
    const before = { serial: '01', notBefore: 0, notAfter: state.now + HOUR, renewalTime: 0, revision: 3 };
    const held = { ...holder, pod: leaving, issued: new Map([['till', before]]) };
    expect(await delivery.ensure(anIdentity(), held)).toBe(before);
    expect(await delivery.ensure(anIdentity(), { ...holder, pod: leaving })).toMatchObject({ reason: 'PodDeleting' });
    expect(state.done).toEqual([]);
    state.wanted = { reason: 'IdentityTaken', message: 'taken' };
    expect(await delivery.ensure(anIdentity(), held)).toEqual(state.wanted);
    expect(state.done).toEqual(['withdraw v', 'revoke till IdentityTaken']);
  });

  it('takes back what was issued under another EdgeDevice of the same name, and issues anew', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    const wanted = { ...(state.wanted as Wanted), deviceUid: 'second' };
    state.wanted = wanted;
    const before = { serial: '01', notBefore: 0, notAfter: state.now + HOUR, renewalTime: 0, revision: 3 };
    const under = (deviceUid: string) => ({ ...holder, issued: new Map([['till', { ...before, deviceUid }]]) });
    expect(await delivery.ensure(anIdentity(), under('second'))).toMatchObject({ deviceUid: 'second' });
    expect(state.done).toEqual([]);
    expect(await delivery.ensure(anIdentity(), under('first'))).toMatchObject({ serial: 'ff', revision: 4 });
    expect(state.done).toEqual(['withdraw v', 'revoke till DeviceReplaced', 'issue', 'write v for 1000']);
    // Nor does it stay while nothing can be issued.
    state.failure = new KeysteadError('Unavailable', 'the notary is away');
    expect(await delivery.ensure(anIdentity(), under('first'))).toMatchObject({ reason: 'Unavailable' });
  });

  it('takes it back after a restart of the agent too, and from a Secret alone', async () => {
    const { state, holder, delivery } = setting();
    state.wanted = { ...(state.wanted as Wanted), deviceUid: 'second' };
    const identity = anIdentity({ delivery: ['Secret'] });
    const recorded = (deviceUid: string) => recordedHolder(identity, state.now, deviceUid);
    expect(await delivery.ensure(recorded('second'), holder)).toMatchObject({ serial: '01' });
    expect(await delivery.ensure(recorded('first'), holder)).toMatchObject({ serial: 'ff' });
    expect(state.done).toEqual(['withdraw secret', 'revoke till DeviceReplaced', 'issue', 'write secret']);
  });

  it('does not take for held what the status still tells of what was taken back', async () => {
    const { state, holder, delivery } = setting();
    const recorded = (delivery: 'Secret' | 'Volume') => recordedHolder(anIdentity({ delivery: [delivery] }), state.now);
    expect(await delivery.ensure(recorded('Secret'), holder)).toMatchObject({ serial: '01' });
    expect(state.done).toEqual([]);
    const after = { ...holder, issued: undefined };
    expect(await delivery.ensure(recorded('Secret'), after)).toMatchObject({ serial: 'ff' });
    expect(state.done).toEqual(['issue', 'write secret']);
    state.failure = new KeysteadError('Unavailable', 'the notary is away');
    expect(await delivery.ensure(recorded('Volume'), after)).toMatchObject({ reason: 'Unavailable' });
  });

  it('refuses a volume that names no identity where the module has two', async () => {
    const { state, holder, delivery } = setting();
    state.volumes = [{ ...state.volumes[0]!, attributes: {} }];
    const identities = [anIdentity(), anIdentity({}, 'second')];
    expect(await delivery.ensure(identities[0]!, { ...holder, identities })).toMatchObject({
      reason: 'IdentityAmbiguous',
    });
    expect(state.done).not.toContain('issue');
    expect(await delivery.ensure(identities[0]!, holder)).toMatchObject({ revision: 1 });
  });

  it('fills the Secret of an identity that asks for one', async () => {
    const { state, holder, delivery } = setting();
    await delivery.ensure(anIdentity({ delivery: ['Secret'] }), holder);
    expect(state.done).toEqual(['issue', 'write secret']);
  });

  it('fills it anew where other names are wanted, and not before', async () => {
    const { state, holder, delivery } = setting();
    const identity = anIdentity({ delivery: ['Secret'] });
    const ensure = async (before?: Issued): Promise<Issued> => {
      const found = await delivery.ensure(identity, { ...holder, issued: new Map(before && [['till', before]]) });
      return found as Issued;
    };
    state.chain = authority.leaf;
    const first = await ensure();
    const kept = await ensure(first);
    expect(await ensure(kept)).toMatchObject({ serial: 'ff', revision: 1 });
    expect(state.done).toEqual(['issue', 'write secret']);
    state.wanted = { ...(state.wanted as Wanted), dnsNames: ['till.shop.svc'] };
    expect(await ensure(kept)).toMatchObject({ revision: 2 });
    expect(state.done).toEqual(['issue', 'write secret', 'issue', 'write secret']);
  });

  it.each<[string, Parameters<typeof anIdentity>[0], Parameters<typeof anIdentity>[0], number]>([
    ['has another name now', { delivery: ['Secret'] }, { delivery: ['Secret'], secretName: 'other' }, 1],
    ['was not asked for before', { delivery: ['Volume'] }, { delivery: ['Volume', 'Secret'] }, 1],
    ['has the same name', { delivery: ['Secret'] }, { delivery: ['Secret'], secretName: 'till' }, 0],
    ['is not asked for any more', { delivery: ['Volume', 'Secret'] }, { delivery: ['Volume'] }, 0],
  ])('fills a Secret that %s at once, if it has to be', async (_what, before, now, more) => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    state.credentials = undefined;
    state.chain = authority.leaf;
    const first = (await delivery.ensure(anIdentity(before), holder)) as Issued;
    state.credentials = { privateKey: 'key', chain: authority.leaf };
    const issued = new Map([['till', { ...first, serial: serialOf(authority.leaf) }]]);
    state.done.length = 0;
    const second = (await delivery.ensure(anIdentity(now), { ...holder, issued })) as Issued;
    expect(state.done.filter((each) => each === 'issue')).toHaveLength(more);
    state.done.length = 0;
    await delivery.ensure(anIdentity(now), {
      ...holder,
      issued: new Map([['till', { ...second, serial: serialOf(authority.leaf) }]]),
    });
    expect(state.done).toEqual([]);
  });
});

describe('delivery by Socket', () => {
  const socket = (also: readonly ('Volume' | 'Secret')[] = []) => anIdentity({ delivery: [...also, 'Socket'] });

  it('issues into memory alone, and keeps what is served there', async () => {
    const { state, holder, delivery } = setting();
    const issued = await delivery.ensure(socket(), holder);
    expect(issued).toMatchObject({ revision: 1 });
    expect(state.done).toEqual(['issue', 'serve till']);
    state.served.set('till', { privateKey: 'key', chain: authority.leaf });
    await delivery.ensure(socket(), holder);
    expect(state.done).toEqual(['issue', 'serve till']);
  });

  it('serves what lies in the volume after a restart of the agent', async () => {
    const { state, holder, delivery } = setting(() => authority.leaf);
    expect(await delivery.ensure(socket(['Volume']), holder)).toMatchObject({ revision: 1 });
    expect(state.done).toEqual(['serve till']);
  });

  it('issues anew after a restart where only memory held it, and says so while it cannot', async () => {
    const { state, holder, delivery } = setting();
    const before = { serial: '01', notBefore: 0, notAfter: state.now + HOUR, renewalTime: state.now, revision: 3 };
    const known = { ...holder, issued: new Map([['till', before]]) };
    state.failure = new KeysteadError('Unavailable', 'the notary is away');
    expect(await delivery.ensure(socket(), known)).toMatchObject({ reason: 'Unavailable' });
    state.failure = undefined;
    expect(await delivery.ensure(socket(), known)).toMatchObject({ revision: 4 });
  });

  it('issues once for volume and socket, and renews both', async () => {
    const { state, holder, delivery } = setting();
    await delivery.ensure(socket(['Volume']), holder);
    expect(state.done).toEqual(['issue', 'write v for 1000', 'serve till']);
  });

  it('is taken back with the identity, with the pod, and when Socket is not asked for any more', () => {
    for (const take of [
      (delivery: PodDelivery) => delivery.withdraw(socket(), 'pod-1'),
      (delivery: PodDelivery) => delivery.withdrawVolumes('pod-1'),
      (delivery: PodDelivery) => delivery.withdrawUnclaimed('pod-1', [anIdentity()]),
    ]) {
      const { state, delivery } = setting();
      state.served.set('till', { privateKey: 'key', chain: authority.leaf });
      take(delivery);
      expect([...state.served]).toEqual([]);
    }
  });
});

describe('taking back', () => {
  it('empties volumes that no identity is for any more, and leaves the others', () => {
    const { state, delivery } = setting();
    delivery.withdrawUnclaimed('pod-1', [anIdentity()]);
    expect(state.done).toEqual([]);
    delivery.withdrawUnclaimed('pod-1', [anIdentity({}, 'another')]);
    expect(state.done).toEqual(['withdraw v']);
  });

  it('empties volume and Secret', () => {
    const { state, delivery } = setting();
    delivery.withdraw(anIdentity({ delivery: ['Volume', 'Secret'] }), 'pod-1');
    expect(state.done).toEqual(['withdraw v', 'withdraw secret']);
  });
});

/** An identity whose status says that the pod's container holds a certificate of serial 01. */
function recordedHolder(identity: ModuleIdentity, now: number, deviceUid?: string): ModuleIdentity {
  const time = (milliseconds: number): string => new Date(milliseconds).toISOString();
  const notAfter = time(now + HOUR);
  const holder = {
    ...{ podUid: 'pod-1', pod: 'p', node: 'n', verdict: 'Allowed' as const, since: notAfter, serial: '01' },
    ...{ containerId: aContainer().id, notBefore: time(now - HOUR), notAfter, renewalTime: notAfter },
    ...(deviceUid !== undefined && { deviceUid }),
  };
  return { ...identity, status: { holders: [holder] } };
}
