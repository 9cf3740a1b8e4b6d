// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeDevice, ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { claim, claimedNames, spiffeIdOf } from '../../../src/identity/spiffe-claim.ts';
import { trustDomainOf } from '../../../src/identity/trust-domain.ts';
import { anIdentity } from '../../fakes/declared.ts';

const TD = 'edge.example.org';

describe('spiffeIdOf', () => {
  it('is made of namespace and name by default', () => {
    expect(spiffeIdOf(anIdentity('web'), TD)).toEqual({ spiffeId: `spiffe://${TD}/ns/ns/module/web` });
  });

  it('is what the spec says', () => {
    const spiffeId = `spiffe://${TD}/ns/ns/line/4/web`;
    expect(spiffeIdOf(anIdentity('web', { spiffeId }), TD)).toEqual({ spiffeId });
  });

  it.each([
    [`spiffe://${TD}/ns/other/web`, 'does not lie below'],
    [`spiffe://${TD}/ns/ns`, 'does not lie below'],
    [`spiffe://${TD}/ns/nsx/web`, 'does not lie below'],
    [`spiffe://other.org/ns/ns/web`, 'is not of the trust domain'],
    [`spiffe://${TD}/ns/ns/../other/web`, 'without . or ..'],
    [`https://${TD}/ns/ns/web`, 'starts with spiffe://'],
  ])('%s is refused: %s', (spiffeId, message) => {
    expect(spiffeIdOf(anIdentity('web', { spiffeId }), TD)).toEqual({
      reason: 'SpiffeIdNotAllowed',
      message: expect.stringContaining(message),
    });
  });
});

describe('claim', () => {
  const spiffeId = `spiffe://${TD}/ns/ns/module/web`;
  const old = anIdentity('web', {}, { creationTimestamp: '2026-01-01T00:00:00Z', uid: 'b' });
  const young = anIdentity('copy', { spiffeId }, { creationTimestamp: '2026-01-02T00:00:00Z', uid: 'a' });

  it('goes to the older of two, whoever asks', () => {
    expect(claim(old, [old, young], TD)).toEqual({ spiffeId });
    expect(claim(young, [young, old], TD)).toMatchObject({
      reason: 'IdentityTaken',
      message: expect.stringContaining('ns/web'),
    });
  });

  it('goes to the smaller uid of two of the same second', () => {
    const twin = anIdentity('copy', { spiffeId }, { creationTimestamp: '2026-01-01T00:00:00Z', uid: 'a' });
    expect(claim(twin, [old], TD)).toEqual({ spiffeId });
    expect(claim(old, [twin], TD)).toMatchObject({ reason: 'IdentityTaken' });
  });

  it('is free again once the older one is being deleted or may not have it', () => {
    const leaving = { ...old, metadata: { ...old.metadata, deletionTimestamp: '2026-01-03T00:00:00Z' } };
    expect(claim(young, [leaving], TD)).toEqual({ spiffeId });
    const foreign = anIdentity('x', { spiffeId }, { namespace: 'other', creationTimestamp: '2025-01-01T00:00:00Z' });
    expect(claim(young, [foreign], TD)).toEqual({ spiffeId });
  });

  it('holds for a module of an IoT Hub too, within its namespace and generation', () => {
    const hub = { hubHostName: 'hub.example', moduleId: 'web', generationId: '1' };
    const module = (name: string, iotEdge: typeof hub, year = '2026', namespace = 'ns'): ModuleIdentity =>
      anIdentity(name, { iotEdge }, { creationTimestamp: `${year}-01-01T00:00:00Z`, uid: name, namespace });
    const [first, second] = [module('first', hub), module('second', hub, '2027')];
    expect(claim(first, [first, second], TD)).toHaveProperty('spiffeId');
    expect(claim(second, [first, second], TD)).toEqual({
      reason: 'HubModuleTaken',
      message: expect.stringContaining('belongs to the older ModuleIdentity first'),
    });
    expect(claimedNames(second)).toContain('hub:ns:1:web');
    const others = [
      module('other', { ...hub, generationId: '2' }),
      module('other', { ...hub, moduleId: 'x' }),
      module('other', hub, '2026', 'elsewhere'),
      anIdentity('other', { iotEdge: { hubHostName: 'hub.example', moduleId: 'web' } }),
    ];
    for (const other of others) expect(claim(second, [other], TD)).toHaveProperty('spiffeId');
  });

  it('can be looked up by path', () => {
    expect(claimedNames(old)).toEqual(['/ns/ns/module/web']);
    expect(claimedNames(young)).toEqual(claimedNames(old));
  });
});

describe('trustDomainOf', () => {
  const device = (name: string, trustDomain: string) => ({ metadata: { name }, spec: { trustDomain } }) as EdgeDevice;
  const both = [device('one', 'b.org'), device('two', 'a.org')];

  it('is the one of all devices', () => {
    expect(trustDomainOf(anIdentity('web'), [device('one', TD), device('two', TD)])).toBe(TD);
    expect(trustDomainOf(anIdentity('web'), [])).toBeUndefined();
  });

  it('of several is the one asked for, else that of a holder, else the first', () => {
    expect(trustDomainOf(anIdentity('web', { spiffeId: 'spiffe://b.org/ns/ns/web' }), both)).toBe('b.org');
    const holders = [{ podUid: 'p', pod: 'p', node: 'one', verdict: 'Allowed' as const, since: '' }];
    expect(trustDomainOf({ ...anIdentity('web'), status: { holders } }, both)).toBe('b.org');
    expect(trustDomainOf(anIdentity('web'), both)).toBe('a.org');
  });
});
