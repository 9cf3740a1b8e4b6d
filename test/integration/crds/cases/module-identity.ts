// SPDX-License-Identifier: Apache-2.0
import type { Json, JsonObject } from '../merge-patch.ts';
import { casesOf } from './case.ts';

const spiffeId = (value: Json): JsonObject => ({ spec: { spiffeId: value } });
const x509 = (patch: JsonObject): JsonObject => ({ spec: { x509: patch } });
const token = (patch: JsonObject): JsonObject => ({ spec: { token: patch } });
const iotEdge = (patch: JsonObject): JsonObject => ({ spec: { iotEdge: patch } });
const NO_ID = 'spiffeId must be spiffe://<trust domain>/ns/<namespace>/<path>';

const invalidKeys = casesOf('module-identity-hardware', [
  ['a key elsewhere', { spec: { key: { residency: 'Cloud' } } }, 'supported values: "Memory", "Hardware"'],
  [
    'a key in hardware that nobody may use',
    { spec: { notary: { sign: false } } },
    'a key in Hardware is used through the Notary API alone: set notary.sign to true',
  ],
  [
    'a key in hardware without the Notary API',
    { spec: { notary: null } },
    'a key in Hardware is used through the Notary API alone: set notary.sign to true, and add Socket to delivery',
  ],
  [
    'a key in hardware for a Secret',
    { spec: { delivery: ['Socket', 'Secret'] } },
    'a key in Hardware cannot be written into a Secret: take Secret out of delivery',
  ],
  [
    'the Notary API without Socket',
    { spec: { delivery: ['Volume'] } },
    'notary has no effect without Socket in delivery: add Socket to delivery or take notary out',
  ],
  [
    'signatures with a key in memory',
    { spec: { key: { residency: 'Memory', rotation: null } } },
    'notary.sign has no effect with a key in Memory, which the module has itself',
  ],
  [
    'rotation of a key in memory',
    { spec: { key: { residency: 'Memory' }, notary: { sign: false } } },
    'rotation has no effect with a key in Memory, which is new with each certificate',
  ],
  ['rotation by the second', { spec: { key: { rotation: '30s' } } }, 'rotation must be a duration from 1m to 87600h'],
  ['rotation that never comes', { spec: { key: { rotation: '87601h' } } }, 'rotation must be a duration from 1m to'],
]);

const invalidOthers = casesOf('module-identity-full', [
  ['a name that is no label', { metadata: { name: 'a.b' } }, "at most 63 lower-case letters, digits and '-'"],
  ['no module', { spec: { moduleRef: null } }, 'spec.moduleRef: Required value'],
  ['a module without name', { spec: { moduleRef: { name: null } } }, 'spec.moduleRef.name: Required value'],
  [
    'a module name that no module can have',
    { spec: { moduleRef: { name: 'A_b' } } },
    'spec.moduleRef.name in body should match',
  ],
  ['an ID of another scheme', spiffeId('https://edge.example.org/ns/plant/a'), NO_ID],
  ['an ID without path', spiffeId('spiffe://edge.example.org'), NO_ID],
  ['an ID outside a namespace', spiffeId('spiffe://edge.example.org/sa/plant/a'), NO_ID],
  ['an ID that is a whole namespace', spiffeId('spiffe://edge.example.org/ns/plant'), NO_ID],
  ['an ID with trailing slash', spiffeId('spiffe://edge.example.org/ns/plant/a/'), NO_ID],
  ['an ID with an empty segment', spiffeId('spiffe://edge.example.org/ns/plant//a'), NO_ID],
  ['an ID that climbs', spiffeId('spiffe://edge.example.org/ns/plant/../other/a'), NO_ID],
  ['an ID with a dot segment', spiffeId('spiffe://edge.example.org/ns/plant/./a'), NO_ID],
  ['an ID with escapes', spiffeId('spiffe://edge.example.org/ns/plant/a%2fb'), NO_ID],
  ['an ID with query', spiffeId('spiffe://edge.example.org/ns/plant/a?b'), NO_ID],
  ['an ID with fragment', spiffeId('spiffe://edge.example.org/ns/plant/a#b'), NO_ID],
  ['an ID with port', spiffeId('spiffe://edge.example.org:443/ns/plant/a'), NO_ID],
  ['an ID with user', spiffeId('spiffe://me@edge.example.org/ns/plant/a'), NO_ID],
  ['an ID of an upper-case trust domain', spiffeId('spiffe://EDGE/ns/plant/a'), NO_ID],
  ['an ID of 2049 bytes', spiffeId(`spiffe://edge/ns/plant/${'a'.repeat(2026)}`), 'spec.spiffeId: Too long'],
  ['a certificate of seconds', x509({ duration: '59s' }), 'duration must be a duration from 1m to 2160h'],
  ['a certificate of years', x509({ duration: '2161h' }), 'duration must be a duration from 1m to 2160h'],
  ['a negative duration', x509({ duration: '-1h' }), 'duration must be a duration from 1m to 2160h, for example 1h'],
  ['renewal too early', x509({ renewAtPercent: 19 }), 'should be greater than or equal to 20'],
  ['renewal too late', x509({ renewAtPercent: 91 }), 'should be less than or equal to 90'],
  [
    'a wildcard name',
    x509({ dnsNames: ['*.plant.svc'] }),
    'each of dnsNames must be a lower-case DNS name without wildcard',
  ],
  ['a name in upper case', x509({ dnsNames: ['Collector.svc'] }), 'each of dnsNames must be a lower-case DNS name'],
  [
    'a name with trailing dot',
    x509({ dnsNames: ['collector.svc.'] }),
    'each of dnsNames must be a lower-case DNS name',
  ],
  [
    'a label of 64 characters',
    x509({ dnsNames: [`${'a'.repeat(64)}.svc`] }),
    'each of dnsNames must be a lower-case DNS name',
  ],
  [
    'seventeen names',
    x509({ dnsNames: Array.from({ length: 17 }, (_, i) => `n${i}`) }),
    'spec.x509.dnsNames: Too many',
  ],
  [
    'no delivery',
    { spec: { delivery: [], secretName: null, token: null } },
    'spec.delivery in body should have at least 1 items',
  ],
  ['an unknown delivery', { spec: { delivery: ['Env'] } }, 'supported values: "Volume", "Socket", "Secret"'],
  ['a delivery twice', { spec: { delivery: ['Secret', 'Secret'] } }, 'spec.delivery[1]: Duplicate value'],
  [
    'a Secret name without Secret',
    { spec: { delivery: ['Volume', 'Socket'] } },
    'secretName has no effect without Secret in delivery',
  ],
  ['tokens without audiences', token({ audiences: null }), 'spec.token.audiences: Required value'],
  ['an empty list of audiences', token({ audiences: [] }), 'spec.token.audiences in body should have at least 1 items'],
  ['an audience with a blank', token({ audiences: ['a b'] }), 'spec.token.audiences[0] in body should match'],
  ['an audience twice', token({ audiences: ['a', 'a'] }), 'spec.token.audiences[1]: Duplicate value'],
  ['every audience and one more', token({ audiences: ['*', 'a'] }), "'*' allows every audience: write it alone"],
  ['a token of 9 seconds', token({ duration: '9s' }), 'duration must be a duration from 10s to 24h'],
  ['a token of days', token({ duration: '25h' }), 'duration must be a duration from 10s to 24h, for example 5m'],
  [
    'tokens without Socket',
    { spec: { delivery: ['Volume', 'Secret'] } },
    'token has no effect without Socket in delivery: add Socket to delivery or take token out',
  ],
  [
    'a federated domain with scheme',
    { spec: { federatesWith: ['spiffe://a'] } },
    'federatesWith[0] in body should match',
  ],
  ['an IoT Hub without name', iotEdge({ hubHostName: null }), 'spec.iotEdge.hubHostName: Required value'],
  ['an IoT Hub with scheme', iotEdge({ hubHostName: 'https://a' }), 'iotEdge.hubHostName in body should match'],
  [
    'an ordinary module without gateway',
    iotEdge({ gatewayHostName: null }),
    'gatewayHostName is missing: set it to the host name of the IoT Edge hub that the module connects to',
  ],
  ['a module id with a slash', iotEdge({ moduleId: 'a/b' }), 'iotEdge.moduleId in body should match'],
  ['a device id of 129 characters', iotEdge({ deviceId: 'd'.repeat(129) }), 'spec.iotEdge.deviceId: Too long'],
  ['a generation with a colon', iotEdge({ generationId: '1:2' }), 'iotEdge.generationId in body should match'],
  ['a Secret of keys that is none', iotEdge({ keysSecretName: 'A_b' }), 'iotEdge.keysSecretName in body should match'],
  [
    'IoT Edge without the identity volume',
    { spec: { delivery: ['Secret'], token: null } },
    'iotEdge needs the identity volume: add Volume or Socket to delivery, or take iotEdge out',
  ],
  ['a Secret name with dots', { spec: { secretName: 'a.b' } }, 'spec.secretName in body should match'],
]);

export const invalidIdentities = [...invalidOthers, ...invalidKeys];

export const forbiddenIdentityChanges = [
  ...casesOf('module-identity', [
    ['another module', { spec: { moduleRef: { name: 'other' } } }, 'moduleRef.name cannot be changed'],
    [
      'an ID later',
      spiffeId('spiffe://edge.example.org/ns/plant/a'),
      'spiffeId cannot be set, changed or removed later',
    ],
  ]),
  ...casesOf('module-identity-full', [
    [
      'another ID',
      spiffeId('spiffe://edge.example.org/ns/plant/other'),
      'spiffeId cannot be set, changed or removed later',
    ],
    ['no ID any more', spiffeId(null), 'spiffeId cannot be set, changed or removed later'],
  ]),
];
