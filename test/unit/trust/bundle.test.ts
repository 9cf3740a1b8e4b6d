// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EdgeDevice, TrustBundle } from '../../../src/api/v1alpha1/index.ts';
import { bundlePem, readAnchors } from '../../../src/trust/anchors.ts';
import { bundleContent, trustOf } from '../../../src/trust/bundle.ts';
import { pemOf } from '../../../src/issue/pem.ts';
import { selfSigned } from '../../fakes/certificates.ts';
import { sampleChain } from '../issue/samples.ts';

const NOW = Date.now();
let first: string;
let second: string;
let expired: string;
let leaf: string;

beforeAll(async () => {
  first = await selfSigned('first');
  second = await selfSigned('second');
  expired = await selfSigned('expired', { notAfter: NOW - 60_000 });
  leaf = await selfSigned('leaf', { ca: false });
});

const read = (...pems: string[]) =>
  readAnchors(
    pems.map((pem, index) => ({ name: `source ${index + 1}`, pem })),
    NOW,
  );

describe('readAnchors', () => {
  it('takes each certificate once, in an order that does not depend on the sources', () => {
    const there = read(first + second, first);
    const back = read(second, `some text\n${first}`);
    expect(there.anchors).toHaveLength(2);
    expect(bundlePem(there.anchors)).toBe(bundlePem(back.anchors));
    expect(there.anchors[0]?.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect([...there.problems, ...back.problems]).toEqual([]);
  });

  it('drops expired ones without a complaint', () => {
    expect(read(expired, first)).toMatchObject({ anchors: [{ pem: first }], problems: [] });
  });

  it('says so of a leaf that has no subject, as those of SPIFFE have none', () => {
    const { problems } = read(pemOf(sampleChain().leaf));
    expect(problems).toEqual([expect.stringContaining('source 1 (without subject) is not a certificate authority')]);
  });

  it('names each wrong source and what to do', () => {
    const broken = first.replace(/\n.{64}\n/, '\nAAAA\n');
    const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
    const { anchors, problems } = read('garbage', leaf, broken, first + key);
    expect(anchors).toHaveLength(1);
    expect(problems).toEqual([
      'source 1 holds no certificate: it must be PEM, -----BEGIN CERTIFICATE----- and so on.',
      'source 2 (CN=leaf) is not a certificate authority: give the authority that issued it instead.',
      'source 3 cannot be read as a certificate: paste it again from its origin.',
      'source 4, certificate 2 is a PRIVATE KEY, not a CERTIFICATE: take it out.',
    ]);
  });

  it('is not stalled by long text without a certificate', () => {
    const startedAt = performance.now();
    read('-----BEGIN CERTIFICATE-----'.repeat(20_000));
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});

describe('bundleContent', () => {
  const source = (pem: string) => [{ name: 'source', pem }];

  it('removes an anchor that its source no longer has', () => {
    const content = bundleContent(source(first), { unreadable: [], last: first + second, now: NOW });
    expect(content.anchors.map(({ pem }) => pem)).toEqual([first]);
  });

  it('keeps what it had beside what is new while a source is wrong', () => {
    const content = bundleContent(source(second), {
      unreadable: ['ConfigMap a/b does not exist.'],
      last: first,
      now: NOW,
    });
    expect(new Set(content.anchors.map(({ pem }) => pem))).toEqual(new Set([first, second]));
    expect(content.problems).toEqual(['ConfigMap a/b does not exist.']);
  });

  it('keeps what it had when all sources are empty, but not what has expired', () => {
    const content = bundleContent([], { unreadable: [], last: first + expired, now: NOW });
    expect(content.anchors.map(({ pem }) => pem)).toEqual([first]);
    expect(content.problems[0]).toContain('No source gives a trust anchor');
  });

  it('says when it changes by itself', async () => {
    const soon = await selfSigned('soon', { notAfter: NOW + 60_000 });
    const { changesAt = 0 } = bundleContent(source(first + soon), { unreadable: [], last: '', now: NOW });
    expect(Math.abs(changesAt - (NOW + 60_000))).toBeLessThan(1000);
  });
});

describe('trustOf', () => {
  const device = (trustDomain: string, anchors: string) =>
    ({ metadata: { name: 'edge' }, spec: { trustDomain }, status: { issuer: { anchors } } }) as unknown as EdgeDevice;
  const bundle = (trustDomain: string, certificates: string) =>
    ({ metadata: { name: 'tb' }, spec: { trustDomain }, status: { certificates } }) as unknown as TrustBundle;

  it('joins the bundles of the trust domain', () => {
    const bundles = [bundle('a', first), bundle('b', second)];
    expect(trustOf('a', { bundles, devices: [device('a', second)], now: NOW })).toBe(first);
  });

  it('falls back on the devices while no bundle has content', () => {
    const devices = [device('a', first), device('b', second)];
    expect(trustOf('a', { bundles: [bundle('a', '')], devices, now: NOW })).toBe(first);
    expect(trustOf('c', { bundles: [], devices, now: NOW })).toBe('');
  });
});
