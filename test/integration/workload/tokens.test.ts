// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { mkdtempSync, rmSync } from 'node:fs';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { hasStatus } from '../../../src/grpc/status.ts';
import { p256Jwk, thumbprint } from '../../../src/issue/jwk.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { createLogger } from '../../../src/log.ts';
import type { TokenRequest } from '../../../src/notary/port.ts';
import { issueJwtSvid } from '../../../src/notary/token-issuing.ts';
import type { HeldKey } from '../../../src/notary/root-of-trust/port.ts';
import type { IdentityTerms, TrustStore } from '../../../src/workload/port.ts';
import { ServedCredentials } from '../../../src/workload/served-credentials.ts';
import { WorkloadApi } from '../../../src/workload/workload-api.ts';
import { NO_NOTARY } from '../../fakes/notary-api.ts';
import { memorySigner } from '../../unit/issue/samples.ts';
import { makeCredentials, type Made } from '../../unit/workload/credentials.ts';

const incarnations = new Incarnations();

const TILL = 'spiffe://edge.example/ns/shop/module/till';
const STOCK = 'spiffe://edge.example/ns/shop/module/stock';
const { fetchJWTSVID, fetchJWTBundles, validateJWTSVID } = SpiffeWorkloadAPI.method;
const ALLOWED = { allowed: true, module: {}, table: [] } as unknown as Verdict;
const requester = {
  module: 'shop/till',
  identity: 'till',
  pod: 'p',
  podUid: 'pod-1',
  container: 'c',
  imageDigest: 'd',
};
const key = { ...memorySigner('EC-P256'), label: 'k', uri: 'u' } as unknown as HeldKey;
const keyId = thumbprint(p256Jwk(key.publicKey));
const published = { ...p256Jwk(key.publicKey), kid: keyId, use: 'jwt-svid' };
let made: Made;
let folder: string;
let api: WorkloadApi;
let served: ServedCredentials;
let client: GrpcClient;
let state: {
  trust: TrustStore;
  terms: Record<string, IdentityTerms>;
  issued: TokenRequest[];
  failure?: KeysteadError;
  refused?: true;
};

beforeAll(() => void (made = makeCredentials([STOCK, TILL])));
beforeEach(() => {
  folder = mkdtempSync('/dev/shm/keystead-tokens-');
  state = {
    trust: { own: { anchors: made.authority, keys: [published] }, foreign: new Map() },
    terms: { till: terms(['bank', 'tax']), stock: terms(['bank']) },
    issued: [],
  };
  const refused = { state: 'Refused', reason: 'ImageDigestMismatch', message: 'm', passing: false } as const;
  api = new WorkloadApi({
    notary: NO_NOTARY,
    log: createLogger('test', 'fatal'),
    held: new HeldSockets(),
    socket: 'spiffe.sock',
    identityAttribute: 'identity',
    incarnationOf: (process) => incarnations.of(process),
    ports: {
      trust: () => state.trust,
      terms: (_podUid, identity) => state.terms[identity],
      issueToken: (request) => issue(request),
      standing: (podUid) => (state.refused ? refused : { state: 'Held', served: served.list(podUid) }),
      judge: () => Promise.resolve(ALLOWED),
    },
  });
  served = new ServedCredentials((podUid) => api.changed(podUid));
  served.put('pod-1', 'stock', made.credentials[0]!);
  served.put('pod-1', 'till', made.credentials[1]!);
  const volume = { volumeId: 'v', targetPath: folder, podUid: 'pod-1', podNamespace: 'shop', podName: 'p' };
  api.open({ ...volume, attributes: { identity: 'till' } });
  client = new GrpcClient(`${folder}/spiffe.sock`, { headers: { 'workload.spiffe.io': 'true' } });
});
afterEach(() => {
  client.close();
  api.stop();
  rmSync(folder, { recursive: true });
});

const NOTHING = { sign: false, encrypt: false, issue: false };

function terms(audiences: readonly string[], lifetimeSeconds = 300): IdentityTerms {
  return { token: { audiences, lifetimeSeconds }, federatesWith: [], notary: NOTHING, requester };
}

function issue(request: TokenRequest): ReturnType<ConstructorParameters<typeof WorkloadApi>[0]['ports']['issueToken']> {
  state.issued.push(request);
  if (state.failure) return Promise.reject(state.failure);
  const profile = { trustDomain: 'edge.example', maxTokenSeconds: 3600 };
  return Promise.resolve(issueJwtSvid({ key, keyId, jwk: p256Jwk(key.publicKey) }, profile, request, Date.now()));
}

const fetched = (audience: string[], spiffeId = '') => client.unary(fetchJWTSVID, { audience, spiffeId });
const validate = (svid: string, audience = 'bank') => client.unary(validateJWTSVID, { svid, audience });

async function failsWith(code: status, call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect({ status: hasStatus(error, code), error }).toMatchObject({ status: true });
  return String(error);
}

describe('FetchJWTSVID', () => {
  it('gives one for each identity that may have it, that of the socket first, and ValidateJWTSVID takes it', async () => {
    const { svids } = await fetched(['bank']);
    expect(svids.map(({ spiffeId, hint }) => [spiffeId, hint])).toEqual([
      [TILL, 'till'],
      [STOCK, 'stock'],
    ]);
    const { spiffeId, claims } = await validate(svids[0]!.svid);
    expect(spiffeId).toBe(TILL);
    expect(claims).toMatchObject({ sub: TILL, aud: ['bank'], jti: expect.any(String) });
    expect(state.issued[0]).toEqual({ spiffeId: TILL, audiences: ['bank'], lifetimeSeconds: 300, requester });
  });

  it('gives only the one asked for, and none that the caller does not hold', async () => {
    expect((await fetched(['bank'], STOCK)).svids.map(({ spiffeId }) => spiffeId)).toEqual([STOCK]);
    expect((await fetched(['tax'])).svids.map(({ spiffeId }) => spiffeId)).toEqual([TILL]);
    const other = 'spiffe://edge.example/ns/shop/module/other';
    expect(await failsWith(status.PERMISSION_DENIED, fetched(['bank'], other))).toContain('SpiffeIdNotHeld');
  });

  it('refuses audiences that the identity does not grant, and says where to add them', async () => {
    const message = await failsWith(status.PERMISSION_DENIED, fetched(['bank', 'spy']));
    expect(message).toContain('AudienceNotAllowed');
    expect(message).toContain('spec.token.audiences');
    state.terms = {};
    await failsWith(status.PERMISSION_DENIED, fetched(['bank']));
    expect(state.issued).toEqual([]);
  });

  it.each([
    ['no audience', []],
    ['an empty audience', ['']],
    ['an audience with a line break', ['a\nb']],
    ['too many audiences', Array.from({ length: 17 }, (_, index) => `a${index}`)],
  ])('refuses %s as the caller’s mistake', async (_, audience) => {
    await failsWith(status.INVALID_ARGUMENT, fetched(audience));
    expect((await fetched(['bank'])).svids).toHaveLength(2);
  });

  it('keeps a token for its audiences, and shares it among calls that come at once', async () => {
    const [first, second] = await Promise.all([fetched(['tax']), fetched(['tax'])]);
    const third = await fetched(['tax']);
    expect(state.issued).toHaveLength(1);
    expect(new Set([first, second, third].map(({ svids }) => svids[0]!.svid)).size).toBe(1);
    await fetched(['tax', 'bank']);
    expect(state.issued).toHaveLength(2);
  });

  it('asks again at half of the life; while the notary is away the former one serves', async () => {
    state.terms = { till: terms(['tax'], 40) };
    const [before] = (await fetched(['tax'])).svids;
    const real = Date.now;
    try {
      Date.now = () => real() + 21_000;
      state.failure = new KeysteadError('Unavailable', 'the notary restarts');
      expect((await fetched(['tax'])).svids[0]!.svid).toBe(before!.svid);
      Date.now = () => real() + 23_000;
      delete state.failure;
      expect((await fetched(['tax'])).svids[0]!.svid).not.toBe(before!.svid);
      expect(state.issued).toHaveLength(3);
    } finally {
      Date.now = real;
    }
  });

  it('gives no token out of the store whose key is not published any more', async () => {
    await fetched(['tax']);
    state.trust = { own: { anchors: made.authority, keys: [] }, foreign: new Map() };
    await fetched(['tax']);
    expect(state.issued).toHaveLength(2);
  });

  it('gives none after a withdrawal, and a new one after it', async () => {
    const [before] = (await fetched(['tax'])).svids;
    state.refused = true;
    api.judgedAnew('pod-1');
    expect(await failsWith(status.PERMISSION_DENIED, fetched(['tax']))).toContain('ImageDigestMismatch');
    delete state.refused;
    api.judgedAnew('pod-1');
    expect((await fetched(['tax'])).svids[0]!.svid).not.toBe(before!.svid);
  });

  it('tells that the notary is away, as something to be tried again', async () => {
    state.failure = new KeysteadError('Unavailable', 'the notary restarts');
    await failsWith(status.UNAVAILABLE, fetched(['tax']));
    delete state.failure;
    expect((await fetched(['tax'])).svids).toHaveLength(1);
  });

  it('asks for the header before anything else', async () => {
    const bare = new GrpcClient(`${folder}/spiffe.sock`);
    await failsWith(status.INVALID_ARGUMENT, bare.unary(fetchJWTSVID, { audience: ['tax'] }));
    await failsWith(status.INVALID_ARGUMENT, bare.unary(validateJWTSVID, { audience: 'tax', svid: 'x' }));
    await failsWith(status.INVALID_ARGUMENT, bare.serverStream(fetchJWTBundles, {}).next());
    bare.close();
  });
});

describe('FetchJWTBundles and ValidateJWTSVID', () => {
  it('push the keys, also of other trust domains that the module asks for, and each change', async () => {
    const stream = client.serverStream(fetchJWTBundles, {});
    const keysOf = (bytes: Uint8Array | undefined): { kid: string }[] =>
      (JSON.parse(Buffer.from(bytes!).toString()) as { keys: { kid: string }[] }).keys;
    const { bundles } = (await stream.next()).value!;
    expect(Object.keys(bundles)).toEqual(['spiffe://edge.example']);
    expect(keysOf(bundles['spiffe://edge.example'])).toEqual([published]);
    state.terms['till'] = { ...terms(['bank']), federatesWith: ['cloud.example'] };
    const foreign = { anchors: made.authority, keys: [{ ...published, kid: 'cloud' }] };
    state.trust = { ...state.trust, foreign: new Map([['cloud.example', foreign]]) };
    api.bundleChanged();
    const next = (await stream.next()).value!;
    expect(keysOf(next.bundles['spiffe://cloud.example']).map(({ kid }) => kid)).toEqual(['cloud']);
  });

  it('refuse a token for somebody else, of another key, and of a trust domain that the module did not ask for', async () => {
    const [till] = (await fetched(['tax'])).svids;
    expect(await failsWith(status.INVALID_ARGUMENT, validate(till!.svid, 'bank'))).toContain('aud: expected "bank"');
    expect(await failsWith(status.INVALID_ARGUMENT, validate('nonsense'))).toContain('three parts');
    expect(await failsWith(status.INVALID_ARGUMENT, validate(till!.svid, ''))).toContain('audience');
    state.trust = { own: { anchors: made.authority, keys: [] }, foreign: new Map() };
    expect(await failsWith(status.INVALID_ARGUMENT, validate(till!.svid, 'tax'))).toContain('kid: expected a key');
  });
});
