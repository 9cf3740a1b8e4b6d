// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeDevice, ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { isGranted } from '../../../src/identity/dns-grant.ts';
import { wantedCertificate, type Grantor } from '../../../src/identity/wanted.ts';
import type { NotaryStatus } from '../../../src/notary/port.ts';
import { anIdentity } from '../../fakes/agent.ts';

const device = {
  metadata: { name: 'node-1', uid: 'd-1' },
  spec: { trustDomain: 'edge.example', issuer: { dnsSuffixes: ['plant.example'] } },
} as unknown as EdgeDevice;
const notary = { ready: true, issuer: { chain: 'PEM' } } as unknown as NotaryStatus;
const grantor: Grantor = { node: 'node-1', device, notary, integrity: undefined, neighbours: [], now: Date.now() };
const withNames = (...dnsNames: string[]): ModuleIdentity =>
  anIdentity({ x509: { duration: '2h', renewAtPercent: 50, dnsNames } });

describe('the certificate that an identity should have', () => {
  it('has the SPIFFE ID of its namespace and name, its lifetime, and the current issuer', () => {
    expect(wantedCertificate(withNames(), grantor)).toEqual({
      spiffeId: 'spiffe://edge.example/ns/shop/module/till',
      dnsNames: [],
      lifetimeSeconds: 7200,
      issuer: 'PEM',
      deviceUid: 'd-1',
    });
  });

  it('is for the key in the token that the identity has now', () => {
    const identity = anIdentity({ key: { residency: 'Hardware' } });
    expect(wantedCertificate(identity, grantor)).toMatchObject({ key: { identityUid: 'i-till', generation: 1 } });
  });

  it('has DNS names of its own namespace and those below a granted suffix', () => {
    const names = ['till.shop.svc', 'line-1.plant.example'];
    expect(wantedCertificate(withNames(...names), grantor)).toMatchObject({ dnsNames: names });
  });

  it('is taken back without an EdgeDevice: nobody says any more that the node is trusted', () => {
    const refusal = wantedCertificate(withNames(), { ...grantor, device: undefined });
    expect(refusal).toMatchObject({ reason: 'DeviceMissing' });
    expect(refusal).not.toHaveProperty('passing');
  });

  it.each(['api.other.svc', 'kubernetes.default.svc', 'plant.example', 'evil.example', 'a.b.shop.svc'])(
    'is refused with DnsNameNotGranted for %s',
    (name) => {
      const refusal = wantedCertificate(withNames(name), grantor);
      expect(refusal).toMatchObject({ reason: 'DnsNameNotGranted' });
      expect(refusal).not.toHaveProperty('passing');
    },
  );

  it.each([
    ['before the notary has answered', { notary: undefined }, 'IssuerNotReady'],
    [
      'while the token refuses its PIN',
      { notary: { ready: false, reason: 'PinRejected', message: 'no' } },
      'PinRejected',
    ],
    [
      'while the measured boot is not verified yet',
      { integrity: { standing: 'Pending', message: 'no answer' } },
      'NodeNotVerified',
    ],
  ])('cannot be told %s, and what is held may stay', (_when, change, reason) => {
    expect(wantedCertificate(withNames(), { ...grantor, ...change } as Grantor)).toMatchObject({
      reason,
      passing: true,
    });
  });

  it('is refused with NodeNotTrusted where the node booted something else, and what is held may not stay', () => {
    const integrity = { standing: 'Refused', message: 'PcrMismatch' } as const;
    const refusal = wantedCertificate(withNames(), { ...grantor, integrity });
    expect(refusal).toEqual({ reason: 'NodeNotTrusted', message: 'PcrMismatch' });
    expect(
      wantedCertificate(withNames(), { ...grantor, integrity: { ...integrity, standing: 'Verified' } }),
    ).toHaveProperty('spiffeId');
  });

  it('is refused with SpiffeIdNotAllowed outside of the namespace', () => {
    const identity = anIdentity({ spiffeId: 'spiffe://edge.example/ns/bank/vault' });
    expect(wantedCertificate(identity, grantor)).toMatchObject({ reason: 'SpiffeIdNotAllowed' });
  });
});

describe('a DNS name', () => {
  it.each([
    ['web.shop', true],
    ['web.shop.svc', true],
    ['web.shop.svc.cluster.local', true],
    ['.shop.svc', false],
    ['shop.svc', false],
    ['web.bank.svc', false],
    ['webshop.svc', false],
  ])('%s in namespace shop is granted: %s', (name, granted) => {
    expect(isGranted(name, 'shop', [])).toBe(granted);
  });
});
