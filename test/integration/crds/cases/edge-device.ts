// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../merge-patch.ts';
import { casesOf } from './case.ts';

const pkcs11 = (patch: JsonObject): JsonObject => ({ spec: { rootOfTrust: { pkcs11: patch } } });
const preloaded = (patch: JsonObject): JsonObject =>
  issuer({ selfSigned: null, preloaded: { keyURI: 'pkcs11:id=%01', certificatesFile: '/c', ...patch } });
const modules = (patch: JsonObject): JsonObject => ({ spec: { rootOfTrust: { modules: patch } } });
const byUri = (uri: string): JsonObject => pkcs11({ tokenSerial: null, pinFile: null, uri });
const tpm = (patch: JsonObject): JsonObject => ({ spec: { rootOfTrust: { pkcs11: null, tpm: patch } } });
const tokens = (patch: JsonObject): JsonObject => ({ spec: { tokens: patch } });
const measuredBoot = (patch: JsonObject): JsonObject => ({ spec: { measuredBoot: patch } });
const issuer = (patch: JsonObject): JsonObject => ({ spec: { issuer: patch } });

export const invalidDevices = casesOf('edge-device-full', [
  ['no spec', { spec: null }, 'spec: Required value'],
  ['no trust domain', { spec: { trustDomain: null } }, 'spec.trustDomain: Required value'],
  ['an empty trust domain', { spec: { trustDomain: '' } }, 'spec.trustDomain in body should be at least 1 chars long'],
  ['a trust domain of 256 characters', { spec: { trustDomain: 'a'.repeat(256) } }, 'spec.trustDomain: Too long'],
  ['a trust domain in upper case', { spec: { trustDomain: 'Edge.Example.org' } }, 'trustDomain may hold lower-case'],
  ['a SPIFFE ID as trust domain', { spec: { trustDomain: 'spiffe://edge' } }, 'write it without spiffe://'],
  ['a trust domain with a port', { spec: { trustDomain: 'edge:8443' } }, 'without spiffe://, port or path'],
  ['no root of trust', { spec: { rootOfTrust: null } }, 'spec.rootOfTrust: Required value'],
  ['an empty root of trust', { spec: { rootOfTrust: { pkcs11: null } } }, 'rootOfTrust needs exactly one of: pkcs11'],
  ['two roots of trust', { spec: { rootOfTrust: { tpm: {} } } }, 'rootOfTrust needs exactly one of: pkcs11'],
  ['a TPM in two places', tpm({ device: '/dev/tpmrm0', socket: '/run/tpm' }), 'at most one of: device, socket'],
  ['a TPM device without path', tpm({ device: 'tpmrm0' }), 'device must be an absolute path'],
  ['a TPM socket that climbs', tpm({ socket: '/run/../tpm' }), "socket must be an absolute path without '..'"],
  ['a relative owner authorisation', tpm({ ownerAuthFile: 'owner' }), 'ownerAuthFile must be an absolute path'],
  ['a relative endorsement authorisation', tpm({ endorsementAuthFile: 'e' }), 'endorsementAuthFile'],
  ['a relative key authorisation', tpm({ keyAuthFile: 'key' }), 'keyAuthFile must be an absolute path'],
  ["a handle of the platform's", tpm({ storageHandle: '0x81800000' }), 'storageHandle must be a persistent handle'],
  ['a transient handle', tpm({ storageHandle: '0x80000001' }), 'storageHandle must be a persistent handle'],
  ['no library', pkcs11({ library: null }), 'name the PKCS#11 library once: set library'],
  ['a library in the URI too', byUri('pkcs11:token=a?module-path=/l'), 'name the PKCS#11 library once'],
  ['a URI of another scheme', byUri('file:/token'), 'uri must be a PKCS#11 URI that names the token'],
  ['a URI that names no token', byUri('pkcs11:model=a'), 'uri must be a PKCS#11 URI that names the token'],
  ['a URI with a PIN', byUri('pkcs11:token=a?pin-value=1234'), 'uri must not hold a PIN'],
  ['a URI of a key', byUri('pkcs11:token=a;object=k'), 'uri must name a token and not an object'],
  [
    'two PIN files',
    pkcs11({ tokenSerial: null, uri: 'pkcs11:token=a?pin-source=file:/pin' }),
    'name the PIN file once: set pinFile, or pin-source in the uri',
  ],
  ['no root of trust for modules', modules({}), 'rootOfTrust.modules needs exactly one of: pkcs11'],
  ['two for modules', modules({ tpm: {}, software: {} }), 'rootOfTrust.modules needs exactly one of: pkcs11'],
  ['a relative passphrase', modules({ software: { passphraseFile: 'p' } }), 'passphraseFile must be an absolute path'],
  ['a library without path', pkcs11({ library: 'libp11.so' }), 'library must be an absolute path'],
  [
    'a library path that climbs',
    pkcs11({ library: '/usr/../tmp/p11.so' }),
    "library must be an absolute path without '..'",
  ],
  ['a relative PIN file', pkcs11({ pinFile: 'pin/pin' }), 'pinFile must be an absolute path'],
  ['no name for the token', pkcs11({ tokenSerial: null }), 'exactly one of: tokenLabel, tokenSerial, slot, uri'],
  ['two names for the token', pkcs11({ slot: 0 }), 'exactly one of: tokenLabel, tokenSerial, slot, uri'],
  ['a token label that PKCS#11 has no room for', pkcs11({ tokenLabel: 'a'.repeat(33) }), 'tokenLabel: Too long'],
  ['a negative slot', pkcs11({ slot: -1 }), 'slot in body should be greater than or equal to 0'],
  ['an issuer of no kind', issuer({ selfSigned: null }), 'issuer needs exactly one of: selfSigned'],
  [
    'an issuer of two kinds',
    issuer({ preloaded: { keyURI: 'pkcs11:id=%01', certificatesFile: '/c' } }),
    'issuer needs',
  ],
  ['a preloaded key without certificates', preloaded({ certificatesFile: null }), 'exactly one of: certificates,'],
  ['certificates twice', preloaded({ certificates: '-----BEGIN CERTIFICATE-----' }), 'exactly one of: certificates,'],
  ['certificates that are none', preloaded({ certificates: 'MII' }), 'certificates must be in PEM'],
  [
    'a relative file of certificates',
    preloaded({ certificatesFile: 'tls.crt' }),
    'certificatesFile must be an absolute',
  ],
  [
    'the URI of a token as key',
    preloaded({ keyURI: 'pkcs11:token=a' }),
    'keyURI must be a PKCS#11 URI that names the key',
  ],
  ['a key with a PIN', preloaded({ keyURI: 'pkcs11:id=%01?pin-value=1' }), 'keyURI must not hold a PIN'],
  ['a rotation at no time', issuer({ selfSigned: { rotateBefore: 'now' } }), 'rotateBefore'],
  ['master secret 0', { spec: { masterSecret: { version: 0 } } }, 'greater than or equal to 1'],
  [
    'an unknown key algorithm',
    issuer({ selfSigned: { keyAlgorithm: 'RSA-1024' } }),
    'supported values: "EC-P256", "EC-P384", "RSA-2048"',
  ],
  [
    'a lifetime in days',
    issuer({ selfSigned: { lifetime: '365d' } }),
    'lifetime must be a duration from 10m to 87600h',
  ],
  ['a lifetime too short', issuer({ selfSigned: { lifetime: '9m59s' } }), 'lifetime must be a duration from 10m'],
  [
    'a lifetime too long',
    issuer({ selfSigned: { lifetime: '87601h' } }),
    'lifetime must be a duration from 10m to 87600h',
  ],
  ['a leaf lifetime too short', issuer({ maxLeafLifetime: '59s' }), 'maxLeafLifetime must be a duration from 1m'],
  [
    'a leaf lifetime too long',
    issuer({ maxLeafLifetime: '2161h' }),
    'maxLeafLifetime must be a duration from 1m to 2160h',
  ],
  ['a leaf lifetime that no clock can hold', issuer({ maxLeafLifetime: `${'9'.repeat(20)}h` }), 'maxLeafLifetime'],
  [
    'an authority that hardly outlives its leaves',
    issuer({ selfSigned: { lifetime: '47h' }, maxLeafLifetime: '24h' }),
    'selfSigned.lifetime must be at least twice maxLeafLifetime',
  ],
  ['a DNS suffix with leading dot', issuer({ dnsSuffixes: ['.example.org'] }), 'without leading dot or wildcard'],
  ['a wildcard as DNS suffix', issuer({ dnsSuffixes: ['*.example.org'] }), 'without leading dot or wildcard'],
  [
    'a token of a day and a second',
    tokens({ maxLifetime: '24h0m1s' }),
    'maxLifetime must be a duration from 10s to 24h',
  ],
  ['a token of 9 seconds', tokens({ maxLifetime: '9s' }), 'maxLifetime must be a duration from 10s to 24h'],
  ['a token key of 9 minutes', tokens({ keyLifetime: '9m' }), 'keyLifetime must be a duration from 10m to 8760h'],
  ['a token key of 366 days', tokens({ keyLifetime: '8784h' }), 'keyLifetime must be a duration from 10m to 8760h'],
  [
    'a token key that hardly outlives its tokens',
    tokens({ keyLifetime: '90m', maxLifetime: '1h' }),
    'keyLifetime must be at least twice maxLifetime',
  ],
  ['measured boot without a TPM', measuredBoot({ tpm: null }), 'measuredBoot needs one TPM'],
  [
    'measured boot by another TPM than the root of trust',
    { spec: { rootOfTrust: { pkcs11: null, tpm: {} } } },
    'leave it out',
  ],
  ['an attesting TPM without path', measuredBoot({ tpm: { device: 'tpmrm0' } }), 'device must be an absolute path'],
  [
    'an attesting TPM at two places',
    measuredBoot({ tpm: { socket: '/run/tpm.sock' } }),
    'at most one of: device, socket',
  ],
  ['an unknown mode', measuredBoot({ mode: 'Warn' }), 'supported values: "Report", "Enforce"'],
  ['nothing to enforce', measuredBoot({ pcrs: null }), 'mode Enforce needs pcrs: take them from the node'],
  [
    'a PCR that does not exist',
    measuredBoot({ pcrs: [{ index: 24, sha256: ['0'.repeat(64)] }] }),
    'less than or equal to 23',
  ],
  ['a PCR without values', measuredBoot({ pcrs: [{ index: 7, sha256: [] }] }), 'should have at least 1 items'],
  ['a value in upper case', measuredBoot({ pcrs: [{ index: 7, sha256: ['A'.repeat(64)] }] }), 'should match'],
  [
    'a PCR twice',
    measuredBoot({ pcrs: [7, 7].map((index) => ({ index, sha256: ['0'.repeat(64)] })) }),
    'spec.measuredBoot.pcrs[1]: Duplicate value',
  ],
  ['an interval of 59 seconds', measuredBoot({ interval: '59s' }), 'interval must be a duration from 1m to 168h'],
  ['a PCR of the firmware for the application', measuredBoot({ applicationPCR: 7 }), 'supported values'],
  ['roots that are none', measuredBoot({ endorsementRoots: 'MIIB' }), 'endorsementRoots must hold certificates in PEM'],
  ['a DNS suffix twice', issuer({ dnsSuffixes: ['a.org', 'a.org'] }), 'spec.issuer.dnsSuffixes[1]: Duplicate value'],
]);

export const forbiddenDeviceChanges = casesOf('edge-device', [
  ['another trust domain', { spec: { trustDomain: 'other.example.org' } }, 'trustDomain cannot be changed'],
]);
