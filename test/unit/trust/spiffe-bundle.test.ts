// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { thumbprint } from '../../../src/issue/jwk.ts';
import { readAnchors } from '../../../src/trust/anchors.ts';
import { bundleContent, deviceSources } from '../../../src/trust/bundle.ts';
import { readSpiffeBundle, spiffeBundle } from '../../../src/trust/spiffe-bundle.ts';
import { joinedKeys, jwksText, keysIn, readTokenKeys } from '../../../src/trust/token-keys.ts';
import { selfSigned } from '../../fakes/certificates.ts';

const NOW = Date.now();
let anchor: string;

beforeAll(async () => void (anchor = await selfSigned('edge')));

const jwk = (kid: string, kind: 'ec' | 'rsa' = 'ec'): Record<string, unknown> => {
  const { publicKey } =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { use: 'jwt-svid', kid, ...publicKey.export({ format: 'jwk' }) };
};

const coordinates = ({ x, y }: { x: string; y: string }) => ({ x, y });

const device = (name: string, keyID: string, key: { x: string; y: string }): EdgeDevice =>
  ({
    metadata: { name },
    spec: { trustDomain: 'edge' },
    status: { issuer: { anchors: anchor }, tokenKeys: [{ keyID, state: 'Current', ...coordinates(key) }] },
  }) as unknown as EdgeDevice;

describe('keys for JWT-SVIDs', () => {
  it('are read from a JWK Set, each once, in the order of their names', () => {
    const [a, b] = [jwk('a'), jwk('b', 'rsa')];
    const { keys, problems } = readTokenKeys('source', [b, a, a, { use: 'x509-svid' }]);
    expect(problems).toEqual([]);
    expect(keys).toEqual([a, b]);
    expect(keysIn(jwksText(keys))).toEqual(keys);
    expect(joinedKeys([keys[1]!], keys)).toEqual(keys);
  });

  it('never with a private member, nor with one that is not known', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { keys } = readTokenKeys('source', [{ kid: 'a', x5u: 'http://x', ...privateKey.export({ format: 'jwk' }) }]);
    expect(Object.keys(keys[0]!).sort()).toEqual(['crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('that are wrong are named with what to do', () => {
    const { problems } = readTokenKeys('source', [
      { ...jwk('a'), kid: undefined },
      { kid: 'o', kty: 'oct', k: 'AA' },
      { ...jwk('b'), x: 'AAAA' },
      'text',
    ]);
    expect(problems).toEqual([
      'source, key 1 has no kid: tokens name their key by it, so give it one.',
      'source, key 2 is of kind "oct": expected EC or RSA, take it out.',
      'source, key 3 (b) cannot be read as a public key: paste it again from its origin.',
      'source, key 4 is of kind undefined: expected EC or RSA, take it out.',
    ]);
  });

  it('come from the devices of the trust domain', () => {
    const { x, y } = jwk('a') as { x: string; y: string };
    const kid = thumbprint({ kty: 'EC', crv: 'P-256', x, y });
    const sources = deviceSources('edge', [device('n', kid, { x, y })]);
    expect(bundleContent(sources, { unreadable: [], last: '', now: NOW }).keys).toMatchObject([{ kid, x, y }]);
    expect(deviceSources('other', [device('n', kid, { x, y })])).toEqual([]);
  });

  it('are taken from a device under their own names alone: none stands in the place of another device’s key', () => {
    const [own, other] = [jwk('a'), jwk('b')] as unknown as { x: string; y: string }[];
    const kid = thumbprint({ kty: 'EC', crv: 'P-256', ...coordinates(own!) });
    const sources = deviceSources('edge', [device('n', kid, own!), device('o', kid, other!)]);
    const { keys } = bundleContent(sources, { unreadable: [], last: '', now: NOW });
    expect(keys).toMatchObject([{ kid, ...coordinates(own!) }]);
    expect(keys).toHaveLength(1);
  });

  it('stay while a source is wrong, and go when all is right again', () => {
    const lastKeys = readTokenKeys('s', [jwk('old')]).keys;
    const sources = [{ name: 's', pem: anchor, keys: readTokenKeys('s', [jwk('new')]).keys }];
    const kids = (unreadable: string[]) =>
      bundleContent(sources, { unreadable, last: anchor, lastKeys, now: NOW }).keys.map(({ kid }) => kid);
    expect(kids(['ConfigMap a/b does not exist.'])).toEqual(['new', 'old']);
    expect(kids([])).toEqual(['new']);
  });
});

describe("a bundle in SPIFFE's own format", () => {
  it('holds anchors and keys, and is read back as the same', () => {
    const { anchors } = readAnchors([{ name: 's', pem: anchor }], NOW);
    const { keys } = readTokenKeys('s', [jwk('a')]);
    const text = spiffeBundle({ anchors, keys, sequence: 7 });
    expect(JSON.parse(text)).toMatchObject({
      spiffe_sequence: 7,
      spiffe_refresh_hint: 300,
      keys: [
        { use: 'x509-svid', kty: 'EC', x5c: [expect.any(String)] },
        { use: 'jwt-svid', kid: 'a' },
      ],
    });
    const read = readSpiffeBundle('s', text);
    expect(read).toMatchObject({ keys, problems: [] });
    expect(readAnchors([{ name: 's', pem: read.pem }], NOW).anchors).toEqual(anchors);
  });

  it('that is none is a problem, named', () => {
    expect(readSpiffeBundle('Inline source 2', '{"keys": 5}').problems).toEqual([
      'Inline source 2 is no SPIFFE bundle: it must be a JSON object with "keys".',
    ]);
    expect(readSpiffeBundle('s', '{').problems).toHaveLength(1);
  });
});
