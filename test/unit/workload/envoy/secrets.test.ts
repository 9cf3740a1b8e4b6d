// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import { fromBinary } from '@bufbuild/protobuf';
import {
  SecretSchema,
  SPIFFECertValidatorConfigSchema,
  type Secret,
} from '../../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { hasSpiffeValidator, secrets } from '../../../../src/workload/envoy/secrets.ts';
import { makeCredentials, type Made } from '../credentials.ts';

const TILL = 'spiffe://edge.example/ns/shop/module/till';
const STOCK = 'spiffe://edge.example/ns/shop/module/stock';
let made: Made;
let bank: string;

beforeAll(() => {
  made = makeCredentials([STOCK, TILL]);
  bank = makeCredentials([]).authority;
});

const content = () => ({
  served: ['stock', 'till'].map((identity, index) => ({ identity, credentials: made.credentials[index]! })),
  first: 'till',
  trust: {
    own: { anchors: made.authority, keys: [] },
    foreign: new Map([
      ['bank.example', { anchors: bank, keys: [] }],
      ['unasked.example', { anchors: bank, keys: [] }],
    ]),
  },
  terms: () => ({ federatesWith: ['bank.example'] }),
  now: Date.now(),
});
const ask = (names: string[], spiffeValidator = true): Secret[] =>
  secrets({ names, spiffeValidator }, content()).map(({ value }) => fromBinary(SecretSchema, value));
const text = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString();

/** The bundles of a validation context by trust domain. */
function domains({ type }: Secret): Record<string, string> {
  if (type.case !== 'validationContext') throw new Error(`found ${type.case}`);
  const { value } = type.value.customValidatorConfig!.typedConfig!;
  const { trustDomains } = fromBinary(SPIFFECertValidatorConfigSchema, value);
  return Object.fromEntries(trustDomains.map(({ name, trustBundle }) => [name, text(trustBundle!.specifier.value)]));
}

describe('secrets of an Envoy', () => {
  it('default is the identity of the socket, with its key', () => {
    const [{ name, type }] = ask(['default']) as [Secret];
    expect(name).toBe('default');
    expect(type.case).toBe('tlsCertificate');
    const { certificateChain, privateKey } = type.value as Extract<Secret['type'], { case: 'tlsCertificate' }>['value'];
    expect(text(certificateChain!.specifier.value)).toBe(made.credentials[1]!.chain);
    expect(text(privateKey!.specifier.value)).toBe(made.credentials[1]!.privateKey);
  });

  it('by SPIFFE ID: each identity, and each trust domain that the module may see', () => {
    const found = ask([STOCK, 'spiffe://bank.example']);
    expect(found.map(({ name, type }) => [name, type.case])).toEqual([
      [STOCK, 'tlsCertificate'],
      ['spiffe://bank.example', 'validationContext'],
    ]);
    expect(domains(found[1]!)).toEqual({ 'bank.example': bank });
  });

  it('ROOTCA is its own trust domain alone, ALL is every one that it may see, each apart', () => {
    const [root, all] = ask(['ROOTCA', 'ALL']);
    expect(domains(root!)).toEqual({ 'edge.example': made.authority });
    expect(domains(all!)).toEqual({ 'edge.example': made.authority, 'bank.example': bank });
  });

  it('an Envoy without the SPIFFE validator gets anchors of one trust domain, and is never given all in one list', () => {
    const [{ type }] = ask(['ROOTCA'], false) as [Secret];
    expect(type.case === 'validationContext' && text(type.value.trustedCa!.specifier.value)).toBe(made.authority);
    expect(() => ask(['ALL'], false)).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
  });

  it('none named is all of them, once each', () => {
    const names = ask([]).map(({ name }) => name);
    expect(names.sort()).toEqual(['spiffe://bank.example', 'spiffe://edge.example', STOCK, TILL].sort());
  });

  it('a name that is not the module’s own is refused, with those that are', () => {
    const other = 'spiffe://edge.example/ns/shop/module/other';
    expect(() => ask([other])).toThrow(`expected one of ${TILL}, ${STOCK}`);
    expect(() => ask(['spiffe://unasked.example'])).toThrow(expect.objectContaining({ code: 'InvalidRequest' }));
  });

  it('knows the validator by the version that Envoy says', () => {
    const node = (majorNumber: number, minorNumber: number) => ({
      userAgentVersionType: {
        case: 'userAgentBuildVersion' as const,
        value: { version: { majorNumber, minorNumber } },
      },
    });
    const versions = [node(1, 17), node(1, 18), node(2, 0), {}, undefined];
    expect(versions.map(hasSpiffeValidator)).toEqual([false, true, true, false, false]);
  });
});
