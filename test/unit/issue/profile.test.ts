// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { acceptedBy, MAX_DNS_NAMES } from '../../../src/issue/profile.ts';
import { freshPublicKey, sampleProfile, SPIFFE_ID } from './samples.ts';

const NOW = Date.UTC(2026, 10, 22, 12, 0, 0, 500);
const profile = sampleProfile(NOW);
const request = {
  spiffeId: SPIFFE_ID,
  publicKey: freshPublicKey(),
  dnsNames: ['press.factory.svc'],
  lifetimeSeconds: 3600,
};

function offCurve(): Buffer {
  const key = Buffer.from(request.publicKey);
  key[90] = (key[90] ?? 0) ^ 1;
  return key;
}

describe('the issuing profile', () => {
  it('accepts a request within it, with a validity from five minutes ago to the last second of the lifetime', () => {
    const accepted = acceptedBy(profile, request, NOW);
    const { lifetimeSeconds: _, ...fields } = request;
    expect(accepted).toEqual({
      ...fields,
      validity: { notBefore: Date.UTC(2026, 10, 22, 11, 55), notAfter: Date.UTC(2026, 10, 22, 12, 59, 59) },
    });
  });

  it.each([
    ['another trust domain', { spiffeId: 'spiffe://other.example/ns/a/module/b' }, 'in trust domain edge.example'],
    ['the trust domain itself', { spiffeId: 'spiffe://edge.example' }, 'a path under /ns/'],
    ['a path elsewhere', { spiffeId: 'spiffe://edge.example/node/1' }, 'a path under /ns/'],
    ['the namespaces folder', { spiffeId: 'spiffe://edge.example/ns' }, 'a path under /ns/'],
    ['no SPIFFE ID', { spiffeId: 'https://edge.example/ns/a' }, 'starts with spiffe://'],
    ['a lifetime of nothing', { lifetimeSeconds: 0 }, 'above 0'],
    ['a negative lifetime', { lifetimeSeconds: -1 }, 'above 0'],
    ['a broken lifetime', { lifetimeSeconds: 1.5 }, 'whole seconds'],
    ['no number', { lifetimeSeconds: Number.NaN }, 'whole seconds'],
    ['a lifetime too long', { lifetimeSeconds: 3601 }, 'at most 3600 s, found 3601 s'],
    ['a wildcard', { dnsNames: ['*.example.com'] }, 'without wildcard'],
    ['an address', { dnsNames: ['10.0.0.1'] }, 'not an address'],
    ['one name twice', { dnsNames: ['a', 'a'] }, 'each DNS name once'],
    ['too many names', { dnsNames: Array.from({ length: MAX_DNS_NAMES + 1 }, (_, i) => `a${i}`) }, 'at most 32'],
    ['no key', { publicKey: Buffer.alloc(0) }, 'public key'],
    ['a secp256k1 key', { publicKey: freshPublicKey('secp256k1') }, 'EC-P256'],
    ['a point off the curve', { publicKey: offCurve() }, 'a point on P-256'],
    [
      'a point at infinity',
      { publicKey: Buffer.concat([request.publicKey.subarray(0, 27), Buffer.alloc(64)]) },
      'P-256',
    ],
    [
      'a coordinate beyond the field',
      { publicKey: Buffer.concat([request.publicKey.subarray(0, 27), Buffer.alloc(64, 255)]) },
      'P-256',
    ],
    ['bytes behind the key', { publicKey: Buffer.concat([request.publicKey, Buffer.of(0)]) }, 'only form'],
    [
      'an RSA key',
      {
        publicKey: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
          type: 'spki',
          format: 'der',
        }),
      },
      '2048',
    ],
  ])('refuses %s, saying what was expected', (_, change, expected) => {
    const attempt = (): unknown => acceptedBy(profile, { ...request, ...change }, NOW);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
    expect(attempt).toThrow(expected);
  });

  it("refuses the notary's own keys as subject", () => {
    const own = { ...profile, isOwnKey: (key: Buffer) => key.equals(request.publicKey) };
    expect(() => acceptedBy(own, request, NOW)).toThrow("one of the notary's own keys");
  });

  it('refuses an end beyond that of the issuer, and takes one at its end', () => {
    const ending = (notAfter: number): typeof profile => ({ ...profile, issuer: { ...profile.issuer, notAfter } });
    const end = Date.UTC(2026, 10, 22, 12, 59, 59);
    expect(acceptedBy(ending(end), request, NOW).validity.notAfter).toBe(end);
    expect(() => acceptedBy(ending(end - 1000), request, NOW)).toThrow("an end not after the issuer's");
  });

  it('never starts before the issuer', () => {
    const young = { ...profile, issuer: { ...profile.issuer, notBefore: NOW - 60_000 } };
    expect(acceptedBy(young, request, NOW).validity.notBefore).toBe(NOW - 60_000);
  });

  it('asks for the clock to be set where the issuer lies in the future', () => {
    const future = { ...profile, issuer: { ...profile.issuer, notBefore: NOW + 1000 } };
    expect(() => acceptedBy(future, request, NOW)).toThrow(expect.objectContaining({ code: 'Unavailable' }));
    expect(() => acceptedBy(future, request, NOW)).toThrow('set the clock');
  });

  it('accepts each of a thousand fresh keys', () => {
    for (let i = 0; i < 1000; i++) {
      const publicKey = freshPublicKey();
      expect(acceptedBy(profile, { ...request, publicKey }, NOW).publicKey).toBe(publicKey);
    }
  });
});
