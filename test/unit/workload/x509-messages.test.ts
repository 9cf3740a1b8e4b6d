// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { DomainBundle, ServedIdentity, TrustStore } from '../../../src/workload/port.ts';
import { x509Bundles, x509Svids } from '../../../src/workload/spiffe/x509-messages.ts';
import { makeCredentials, type Made } from './credentials.ts';

const TILL = 'spiffe://edge.example/ns/shop/module/till';
const STOCK = 'spiffe://edge.example/ns/shop/module/stock';
let made: Made;
let served: ServedIdentity[];

beforeAll(() => {
  made = makeCredentials([STOCK, TILL]);
  served = ['stock', 'till'].map((identity, index) => ({ identity, credentials: made.credentials[index]! }));
});

const store = (anchors: string, foreign: Record<string, DomainBundle> = {}): TrustStore => ({
  own: { anchors, keys: [] },
  foreign: new Map(Object.entries(foreign)),
});
const content = () => ({
  served,
  first: undefined,
  trust: store(made.authority),
  terms: (identity: string) => ({ federatesWith: identity === 'till' ? ['bank.example', 'unknown.example'] : [] }),
  now: Date.now(),
});
const der = (pem: string): Buffer => new X509Certificate(pem).raw;

describe('FetchX509SVID answers', () => {
  it('with chain and bundle as DER one behind the other, and the key as PKCS#8 DER', () => {
    const [svid] = x509Svids(content()).svids!;
    const { chain, privateKey } = made.credentials[0]!;
    const leaf = der(chain);
    expect(svid).toMatchObject({ spiffeId: STOCK, hint: 'stock' });
    expect(Buffer.from(svid!.x509Svid!)).toEqual(Buffer.concat([leaf, der(made.authority)]));
    expect(Buffer.from(svid!.bundle!)).toEqual(der(made.authority));
    const key = createPrivateKey({ key: Buffer.from(svid!.x509SvidKey!), format: 'der', type: 'pkcs8' });
    expect(new X509Certificate(leaf).checkPrivateKey(key)).toBe(true);
    expect(key.equals(createPrivateKey(privateKey))).toBe(true);
  });

  it('with all identities, that of the socket first, hints unique', () => {
    const hints = (first?: string) => x509Svids({ ...content(), first }).svids!.map(({ hint }) => hint);
    expect(hints()).toEqual(['stock', 'till']);
    expect(hints('till')).toEqual(['till', 'stock']);
    expect(hints('unknown')).toEqual(['stock', 'till']);
  });

  it('without identities whose key is in the token; says where the key is used when there is no other', () => {
    const [stock, till] = served;
    const inToken = { identity: 'stock', credentials: { chain: stock!.credentials.chain } };
    const hints = x509Svids({ ...content(), served: [inToken, till!] }).svids!.map(({ hint }) => hint);
    expect(hints).toEqual(['till']);
    expect(() => x509Svids({ ...content(), served: [inToken] })).toThrow(
      expect.objectContaining({ code: 'PermissionDenied', message: expect.stringMatching(/^KeyInHardware: .*stock/) }),
    );
  });

  it('leaves out what has expired, and is not available where nothing is left', () => {
    const late = { ...content(), now: Date.now() + 2 * 86_400_000 };
    expect(() => x509Svids(late)).toThrow(expect.objectContaining({ code: 'Unavailable' }));
  });

  it('is not available while the bundle is not known', () => {
    expect(() => x509Svids({ ...content(), trust: store('') })).toThrow(
      expect.objectContaining({ code: 'Unavailable' }),
    );
    expect(() => x509Bundles({ ...content(), trust: store('') })).toThrow(
      expect.objectContaining({ code: 'Unavailable' }),
    );
  });

  it('never with a key that is no PKCS#8, nor with something that is no SVID', () => {
    const change = (credentials: object): ServedIdentity[] => [
      { identity: 'till', credentials: { ...made.credentials[1]!, ...credentials } },
    ];
    const sec1 = '-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n';
    for (const wrong of [{ privateKey: sec1 }, { chain: made.authority }]) {
      expect(() => x509Svids({ ...content(), served: change(wrong) })).toThrow(
        expect.objectContaining({ code: 'Internal' }),
      );
    }
  });
});

describe('FetchX509Bundles answers', () => {
  it('by the SPIFFE ID of the trust domain, once for all of its identities', () => {
    const { bundles } = x509Bundles(content());
    expect(Object.keys(bundles!)).toEqual(['spiffe://edge.example']);
    expect(Buffer.from(bundles!['spiffe://edge.example']!)).toEqual(der(made.authority));
  });

  it('with those of other trust domains that an identity of the pod asks for and the node knows', () => {
    const bank = makeCredentials([]).authority;
    const trust = store(made.authority, {
      'bank.example': { anchors: bank, keys: [] },
      'other.example': { anchors: bank, keys: [] },
    });
    const { bundles } = x509Bundles({ ...content(), trust });
    expect(Object.keys(bundles!)).toEqual(['spiffe://bank.example', 'spiffe://edge.example']);
    const { federatedBundles } = x509Svids({ ...content(), trust });
    expect(Object.keys(federatedBundles!)).toEqual(['spiffe://bank.example']);
    expect(Buffer.from(federatedBundles!['spiffe://bank.example']!)).toEqual(der(bank));
    const [stock] = served;
    expect(x509Svids({ ...content(), trust, served: [stock!] }).federatedBundles).toEqual({});
  });
});
