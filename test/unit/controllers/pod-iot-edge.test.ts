// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { PodIotEdge } from '../../../controllers/pod-iot-edge.ts';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import type { Holding, Refusal } from '../../../src/identity/holding.ts';
import type { HubSignRequest } from '../../../src/notary/hub-port.ts';
import type { CertificateRequest } from '../../../src/notary/port.ts';
import { aContainer, aModule, anIdentity, aPod } from '../../fakes/agent.ts';

const CALLER = { podUid: 'pod-1', identity: 'till', pid: 4300, incarnation: () => 'a' };
const HUB = { hubHostName: 'hub.example', gatewayHostName: 'gw.shop.svc', generationId: '638' };
const NAMES = { duration: '1h', renewAtPercent: 50, dnsNames: ['till.shop.svc'] };

function holding(change: Partial<Holding> = {}): Holding {
  return {
    ...{ podUid: 'pod-1', namespace: 'shop', pod: 'p', verdict: 'Allowed', since: 0, container: aContainer() },
    ...{ identities: ['till', 'plain'], issued: new Map(), refused: new Map() },
    ...change,
  };
}

let state: {
  identities: ModuleIdentity[];
  holding: Holding | undefined;
  refusal: Refusal | undefined;
  signed: HubSignRequest[];
  obtained: Omit<CertificateRequest, 'publicKey'>[];
};
let api: PodIotEdge;

beforeEach(() => {
  state = {
    identities: [anIdentity({ iotEdge: HUB, x509: NAMES }), anIdentity({}, 'plain')],
    holding: holding(),
    refusal: undefined,
    signed: [],
    obtained: [],
  };
  const answer = (): Promise<Buffer> => Promise.resolve(Buffer.from('answer'));
  api = new PodIotEdge({
    notary: {
      hubSign: (request) => {
        state.signed.push(request);
        return answer();
      },
      hubEncrypt: answer,
      hubDecrypt: answer,
    },
    pod: () => aPod(),
    pods: () => [aPod(), aPod({ uid: 'pod-2' }), aPod({ uid: 'stranger', labels: {} })],
    modules: () => [aModule()],
    identities: () => state.identities,
    identity: (key) => state.identities.find(({ metadata }) => `shop/${metadata.name}` === key),
    holding: (uid) => (uid === 'pod-1' ? state.holding : undefined),
    wanted: ({ spec }) =>
      state.refusal ?? {
        spiffeId: 'spiffe://x/ns/shop/till',
        dnsNames: spec.x509.dnsNames,
        lifetimeSeconds: 60,
        issuer: '',
      },
    obtain: (request) => {
      state.obtained.push(request);
      const certificate = { chain: [], serial: '01', notBefore: 0, notAfter: 60_000 };
      return Promise.resolve({ credentials: { privateKey: 'KEY', chain: 'CHAIN' }, certificate });
    },
    bundle: () => 'ANCHORS',
  });
});

const module = () => api.modules(CALLER)[0]!;

describe('the modules of a caller', () => {
  it('are its identities that ask for IoT Edge', () => {
    expect(api.modules(CALLER)).toEqual([
      { identity: 'till', namespace: 'shop', moduleId: 'till', generationId: '638', keys: 'Derived' },
    ]);
  });

  it('are waited for while the pod is not judged, as just after its start', () => {
    for (const now of [undefined, holding({ verdict: 'Ended' })]) {
      state.holding = now;
      expect(() => api.modules(CALLER)).toThrow(expect.objectContaining({ code: 'Unavailable' }));
    }
  });

  it('are none where the module was refused, with the reason, unless it only reports', () => {
    const refusal = { reason: 'ImageDigestMismatch', message: 'expected x' };
    state.holding = holding({ verdict: 'Denied', refusal });
    expect(() => api.modules(CALLER)).toThrow('ImageDigestMismatch: expected x');
    const issued = new Map([['till', { serial: '1', notBefore: 0, notAfter: 1, renewalTime: 1, revision: 1 }]]);
    state.holding = holding({ verdict: 'Denied', refusal, issued });
    expect(api.modules(CALLER)).toHaveLength(1);
  });

  it('leave out an identity that may not be had, but not one whose issuer is away', () => {
    const refused = (refusal: Refusal): Holding => holding({ refused: new Map([['till', refusal]]) });
    state.holding = refused({ reason: 'HubModuleTaken', message: 'belongs to another' });
    expect(() => api.modules(CALLER)).toThrow('HubModuleTaken: belongs to another');
    state.holding = refused({ reason: 'IssuerNotReady', message: 'no token', passing: true });
    expect(api.modules(CALLER)).toHaveLength(1);
    state.holding = refused({ reason: 'PinLocked', message: 'the token is locked' });
    expect(() => api.modules(CALLER)).toThrow('PinLocked: the token is locked');
    state.holding = refused({ reason: 'Unavailable', message: 'the notary restarts' });
    expect(api.modules(CALLER)).toHaveLength(1);
  });
});

describe('signing', () => {
  it("asks for the key of just this module, in the caller's name", async () => {
    await api.sign(CALLER, module(), 'secondary', Buffer.from('data'));
    expect(state.signed).toEqual([
      {
        module: { namespace: 'shop', moduleId: 'till', generationId: '638' },
        keyId: 'secondary',
        source: 'Derived',
        data: Buffer.from('data'),
        requester: expect.objectContaining({
          module: 'shop/till',
          identity: 'till',
          podUid: 'pod-1',
          pid: 4300,
        }) as unknown,
      },
    ]);
  });

  it('takes the key that the hub made, where the identity names a Secret', async () => {
    state.identities[0] = anIdentity({ iotEdge: { ...HUB, keysSecretName: 'keys' } });
    await api.sign(CALLER, module(), 'primary', Buffer.from('data'));
    expect(state.signed[0]).toMatchObject({ source: 'Imported' });
  });
});

describe('certificates', () => {
  it('for a server have the name asked for, in any case of letters, if it is one of the identity', async () => {
    const certificate = await api.serverCertificate(CALLER, module(), 'Till.shop.svc');
    expect(certificate).toEqual({ privateKey: 'KEY', chain: 'CHAIN', notAfter: 60_000 });
    expect(state.obtained[0]).toMatchObject({
      ...{ dnsNames: ['till.shop.svc'], spiffeId: 'spiffe://x/ns/shop/till' },
      byModule: true,
    });
  });

  it.each(['other.shop.svc', '*.shop.svc', '', 'till'])('for a server have no other name: %j', async (name) => {
    await expect(api.serverCertificate(CALLER, module(), name)).rejects.toThrow(
      /^DnsNameNotGranted: expected till\.shop\.svc, from x509\.dnsNames of ModuleIdentity till, found/,
    );
    expect(state.obtained).toEqual([]);
  });

  it('of the module itself have no DNS name', async () => {
    await api.identityCertificate(CALLER, module());
    expect(state.obtained[0]).toMatchObject({ dnsNames: [] });
  });

  it('are not given to a module whose key must stay in hardware', async () => {
    state.identities[0] = anIdentity({ iotEdge: HUB, x509: NAMES, key: { residency: 'Hardware' } });
    await expect(api.serverCertificate(CALLER, module(), 'till.shop.svc')).rejects.toThrow(/^KeyInHardware: /);
    await expect(api.identityCertificate(CALLER, module())).rejects.toMatchObject({ code: 'PermissionDenied' });
    expect(state.obtained).toEqual([]);
  });

  it('are refused with the reason, and waited for where that passes', async () => {
    state.refusal = { reason: 'SpiffeIdNotAllowed', message: 'no' };
    await expect(api.identityCertificate(CALLER, module())).rejects.toMatchObject({ code: 'PermissionDenied' });
    state.refusal = { reason: 'IssuerNotReady', message: 'not yet', passing: true };
    await expect(api.identityCertificate(CALLER, module())).rejects.toMatchObject({ code: 'Unavailable' });
  });
});

it('lists the modules of the namespace on this node', () => {
  expect(api.list(CALLER)).toEqual([
    { moduleId: 'till', image: 'r/till', run: { status: 'running' } },
    { moduleId: 'till', image: '', run: { status: 'unknown' } },
  ]);
});
