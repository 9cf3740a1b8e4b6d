// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { deviceStatus, NodeDevice } from '../../../controllers/node-device.ts';
import { notaryConfiguration } from '../../../controllers/notary-configuration.ts';
import type { Condition } from '../../../src/api/conditions.ts';
import type { EdgeDevice } from '../../../src/api/v1alpha1/index.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { NotaryStatus } from '../../../src/notary/port.ts';
import { selfSigned } from '../../fakes/certificates.ts';

const NOW = Date.parse('2026-11-22T10:00:00Z');
const device = {
  metadata: { name: 'node-1', uid: 'd', generation: 3 },
  spec: {
    trustDomain: 'edge.example',
    rootOfTrust: { pkcs11: { library: '/l.so', tokenLabel: 'tpm', pinFile: '/pin' } },
    issuer: { selfSigned: { keyAlgorithm: 'EC-P256', lifetime: '8760h' }, maxLeafLifetime: '24h', dnsSuffixes: [] },
    masterSecret: { version: 2 },
    tokens: { keyLifetime: '720h', maxLifetime: '1h' },
  },
} as unknown as EdgeDevice;
const ready = { protocol: 1, version: '1', ready: true, token: { label: 'tpm' } } as unknown as NotaryStatus;
const refused: NotaryStatus = {
  protocol: 1,
  version: '1',
  ready: false,
  reason: 'PinRejected',
  message: 'set another PIN',
};

const conditionsOf = (status: Record<string, unknown>): Record<string, Condition> =>
  Object.fromEntries((status['conditions'] as Condition[]).map((condition) => [condition.type, condition]));
const observe = (notary: NotaryStatus | undefined, skewMs: number | undefined) =>
  conditionsOf(deviceStatus(device, { notary, skewMs, platform: {}, integrity: undefined, now: NOW }));

describe('the status of a device', () => {
  it('says what is wrong with the token, in Ready too', () => {
    const conditions = observe(refused, 0);
    expect(conditions['RootOfTrustReady']).toMatchObject({
      status: 'False',
      reason: 'PinRejected',
      observedGeneration: 3,
    });
    expect(conditions['Ready']).toMatchObject({ status: 'False', reason: 'PinRejected', message: 'set another PIN' });
  });

  it('says plainly that keys are software, wherever it says that they are there', async () => {
    const token = { kind: 'Software', label: 'software' };
    const issuer = { keyUri: 'software:object=i', notBefore: NOW, notAfter: NOW, chain: await selfSigned('ca') };
    const conditions = observe({ ...ready, token, issuer } as unknown as NotaryStatus, 0);
    expect(conditions['RootOfTrustReady']).toMatchObject({ status: 'True', reason: 'SoftwareKeys' });
    for (const type of ['Ready', 'RootOfTrustReady', 'IssuerReady']) {
      expect(conditions[type]).toMatchObject({ status: 'True', message: expect.stringContaining('SOFTWARE') });
    }
  });

  it('is unknown before the notary has answered', () => {
    expect(observe(undefined, 0)['Ready']).toMatchObject({ status: 'Unknown', reason: 'NotaryUnknown' });
  });

  it.each([
    [0, 'True', 'WithinTolerance'],
    [200_000, 'True', 'WithinTolerance'],
    [-3_600_000, 'False', 'ClockSkewed'],
    [3_600_000, 'False', 'ClockSkewed'],
    [undefined, 'Unknown', 'NotMeasured'],
  ])('with the API server %s ms ahead says ClockSynchronized %s, and goes on issuing', (skewMs, status, reason) => {
    const conditions = observe(ready, skewMs);
    expect(conditions['ClockSynchronized']).toMatchObject({ status, reason });
    expect(conditions['RootOfTrustReady']).toMatchObject({ status: 'True' });
  });

  it('tells the direction of a clock that is an hour off', () => {
    expect(observe(ready, 3_600_000)['ClockSynchronized']!.message).toContain('3600 s behind');
    expect(observe(ready, -3_600_000)['ClockSynchronized']!.message).toContain('3600 s ahead of');
  });
});

describe('a node whose measured boot is enforced', () => {
  const foreign = { type: 'IntegrityVerified', status: 'False', reason: 'PcrMismatch', message: 'PCR 7' };
  const judged = { ...device, status: { conditions: [foreign] } } as unknown as EdgeDevice;
  const status = deviceStatus(judged, {
    notary: ready,
    skewMs: 0,
    platform: {},
    integrity: { standing: 'Refused', message: 'PcrMismatch: PCR 7' },
    now: NOW,
  });

  it("is not ready while it is not trusted, and the condition of the controller stays the controller's", () => {
    const conditions = conditionsOf(status);
    expect(conditions['Ready']).toMatchObject({
      status: 'False',
      reason: 'NodeNotTrusted',
      message: 'PcrMismatch: PCR 7',
    });
    expect(conditions['RootOfTrustReady']).toMatchObject({ status: 'True' });
    expect(conditions).not.toHaveProperty('IntegrityVerified');
  });
});

describe('the token signing keys of a device', () => {
  const key = { keyId: 'k', state: 'Current', until: NOW, jwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' } } as const;
  const held = { ...key, keyUri: 'pkcs11:object=t', sensitive: true, extractable: false };

  it('are shown with their public halves, where they live, and whether one can sign', () => {
    const notary = { ...ready, tokens: { keys: [held, { ...key, keyId: 'n', state: 'Next' as const }] } };
    const status = deviceStatus(device, { notary, skewMs: 0, platform: {}, integrity: undefined, now: NOW });
    expect(status['tokenKeys']).toEqual([
      {
        ...{ keyID: 'k', state: 'Current', until: '2026-11-22T10:00:00Z', x: 'x', y: 'y' },
        ...{ keyURI: 'pkcs11:object=t', sensitive: true, extractable: false },
      },
      { keyID: 'n', state: 'Next', until: '2026-11-22T10:00:00Z', x: 'x', y: 'y' },
    ]);
    expect(conditionsOf(status)['TokenKeyReady']).toMatchObject({ status: 'True', reason: 'KeyHeld' });
  });

  it('are missed with the reason, while certificates are issued all the same', () => {
    const failure = { code: 'TokenFull' as const, message: 'no room' };
    const conditions = observe({ ...ready, tokens: { keys: [], failure } }, 0);
    expect(conditions['TokenKeyReady']).toMatchObject({ status: 'False', reason: 'TokenFull', message: 'no room' });
    expect(conditions['RootOfTrustReady']).toMatchObject({ status: 'True' });
  });
});

describe('what the notary is told', () => {
  it('is what the spec asks for', () => {
    expect(notaryConfiguration(device, 'node-1')).toEqual({
      trustDomain: 'edge.example',
      node: 'node-1',
      rootOfTrust: { pkcs11: { library: '/l.so', tokenLabel: 'tpm', pinFile: '/pin' } },
      issuer: { algorithm: 'EC-P256', lifetimeSeconds: 31_536_000, maxLeafSeconds: 86_400 },
      masterSecretVersion: 2,
      tokens: { keyLifetimeSeconds: 2_592_000, maxSeconds: 3600 },
    });
  });

  it.each([
    [{ storageHandle: '0x81000001' }, { device: '/dev/tpmrm0', storageHandle: 0x81000001 }],
    [
      { socket: '/s', storageHandle: '0x81000a0b' },
      { socket: '/s', storageHandle: 0x81000a0b },
    ],
  ])('with the TPM %j asks the notary for %j', (tpm, expected) => {
    const withTpm = { ...device, spec: { ...device.spec, rootOfTrust: { tpm } } };
    expect(notaryConfiguration(withTpm, 'node-1').rootOfTrust).toEqual({ tpm: expected });
  });

  it('asks for rotations, or for an issuer that was made beforehand', () => {
    const rotateBefore = '2026-11-22T10:00:00Z';
    const { spec } = device;
    const selfSigned = { ...spec.issuer.selfSigned!, rotateBefore };
    const rotated = { ...spec, issuer: { ...spec.issuer, selfSigned }, tokens: { ...spec.tokens, rotateBefore } };
    const { issuer, tokens } = notaryConfiguration({ ...device, spec: rotated }, 'node-1');
    expect([issuer, tokens]).toEqual([
      expect.objectContaining({ rotateBefore: NOW }),
      expect.objectContaining({ rotateBefore: NOW }),
    ]);
    const preloaded = { keyURI: 'pkcs11:id=%01', certificatesFile: '/c' };
    const given = { ...spec, issuer: { preloaded, maxLeafLifetime: '1h', dnsSuffixes: [] } };
    expect(notaryConfiguration({ ...device, spec: given }, 'node-1').issuer).toEqual({
      preloaded: { keyUri: 'pkcs11:id=%01', certificatesFile: '/c' },
      maxLeafSeconds: 3600,
    });
  });

  it('shows its keys, their last use to the hour', () => {
    const key = { uri: 'u', purpose: 'Issuer', algorithm: 'EC-P256', sensitive: true, extractable: false } as const;
    const notary = { ...ready, keys: [{ ...key, created: NOW, lastUsed: NOW + 1_800_000 }], keyCount: 1 };
    expect(deviceStatus(device, { notary, skewMs: 0, platform: {}, integrity: undefined, now: NOW })).toMatchObject({
      keys: [{ ...key, created: '2026-11-22T10:00:00Z', lastUsed: '2026-11-22T10:00:00Z' }],
      keyCount: 1,
    });
  });

  it('names a root of trust for the keys of modules', () => {
    const [pkcs11, software] = [{ uri: 'pkcs11:token=a?module-path=/l' }, { passphraseFile: '/p' }];
    const two = { ...device, spec: { ...device.spec, rootOfTrust: { software, modules: { pkcs11 } } } };
    expect(notaryConfiguration(two, 'node-1').rootOfTrust).toEqual({ software, modules: { pkcs11 } });
  });

  it('is written into status once, and again when it changes', async () => {
    let answer: NotaryStatus | KeysteadError = refused;
    const written: Record<string, unknown>[] = [];
    const changes: (boolean | undefined)[] = [];
    const subject = new NodeDevice({
      node: 'node-1',
      clock: { now: () => NOW },
      notary: {
        configure: () => (answer instanceof KeysteadError ? Promise.reject(answer) : Promise.resolve(answer)),
        status: () => Promise.resolve(refused),
      },
      device: () => device,
      clockSkewMs: () => 0,
      revocation: { lists: undefined, follow: () => Promise.resolve() },
      platform: () => ({}),
      integrity: () => undefined,
      program: '',
      attest: () => Promise.resolve(undefined),
      apply: (status) => {
        written.push(status);
        return Promise.resolve();
      },
      changed: (status) => changes.push(status?.ready),
    });
    await subject.reconcile();
    await subject.reconcile();
    expect(written).toHaveLength(1);
    answer = new KeysteadError('Unavailable', 'the notary is away');
    expect(await subject.reconcile()).toEqual({ requeueAfterMs: 3_000 });
    expect(conditionsOf(written[1]!)['Ready']).toMatchObject({ reason: 'Unavailable' });
    answer = ready;
    expect(await subject.reconcile()).toEqual({ requeueAfterMs: 15_000 });
    expect(changes).toEqual([false, true]);
  });
});
