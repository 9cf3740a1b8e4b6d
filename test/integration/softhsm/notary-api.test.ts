// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync, hash, randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it, jest } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { Identity, NotaryClient } from '../../../src/client/index.ts';
import { Notary, Residency, SignatureFormat } from '../../../src/gen/keystead/notary/v1alpha1/notary_pb.js';
import { SpiffeWorkloadAPI } from '../../../src/gen/spiffe/workload_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { hasStatus } from '../../../src/grpc/status.ts';
import { parseKeyEvidence } from '../../../src/integrity/key-evidence-reader.ts';
import { keyStatements } from '../../../src/integrity/key-statements.ts';
import { buildCertificationRequest } from '../../../src/issue/certification-request-writer.ts';
import { NotaryApiStand } from './notary-api-stand.ts';
import { atEnd, TOKEN } from './setting.ts';

jest.setTimeout(120_000);

const { method } = Notary;
const MESSAGE = Buffer.from('pressed 17 lids');
const ALL = { sign: true, encrypt: true, issue: true };
const NONE = { sign: false, encrypt: false, issue: false };
const HARDWARE = { key: { residency: 'Hardware' }, notary: ALL } as const;
const MEMORY = { key: { residency: 'Memory' }, notary: { ...ALL, sign: false } } as const;

const message = (value: Uint8Array) => ({ case: 'message' as const, value });
const digest = (value: Uint8Array) => ({ case: 'digest' as const, value });
const keyOf = (der: Uint8Array) => createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });

/** Resolves with the message when the call fails with this status. */
async function failsWith(code: status, call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(hasStatus(error, code) ? code : error).toBe(code);
  return String(error);
}

/** A request for a fresh key. */
function requestFor(names: { spiffeId?: string; dnsNames?: readonly string[] } = {}) {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' });
  const certificationRequest = buildCertificationRequest({
    ...names,
    publicKey,
    sign: (info) => sign('sha256', info, pair.privateKey),
  });
  return { publicKey, certificationRequest };
}

describe('the Notary API, with a key in the token', () => {
  it('signs messages and digests, for X.509 and for JOSE, and verifies', async () => {
    const { client, records } = await withPress();
    const { key } = await client.unary(method.getPublicKey, {});
    expect(key).toMatchObject({ residency: Residency.HARDWARE, keyUri: expect.stringMatching(/^pkcs11:.*i-press/) });
    const publicKey = keyOf(key!.publicKey);
    for (const input of [message(MESSAGE), digest(hash('sha256', MESSAGE, 'buffer'))]) {
      const { signature, keyId } = await client.unary(method.sign, { input });
      expect(verify('sha256', MESSAGE, publicKey, signature)).toBe(true);
      expect(keyId).toBe(key!.keyId);
    }
    const format = SignatureFormat.P1363;
    const { signature } = await client.unary(method.sign, { input: message(MESSAGE), format });
    expect(signature).toHaveLength(64);
    expect(verify('sha256', MESSAGE, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    const checked = async (said: Uint8Array) =>
      (await client.unary(method.verify, { message: said, signature, format })).valid;
    expect([await checked(MESSAGE), await checked(Buffer.from('pressed 18 lids'))]).toEqual([true, false]);
    const used = records().filter(({ operation }) => operation === 'signWithKey');
    expect(used).toHaveLength(3);
    expect(used[0]).toMatchObject({ who: { identity: 'press', pid: process.pid }, result: 'Done' });
  });

  it('signs with the key that was rotated out as long as it is there, if asked for it', async () => {
    const { stand, client } = await withPress();
    const before = (await client.unary(method.getPublicKey, {})).key!;
    await stand.hold('press', HARDWARE, 2);
    const after = (await client.unary(method.getPublicKey, {})).key!;
    expect(after.keyId).not.toBe(before.keyId);
    for (const { keyId, publicKey } of [before, after]) {
      const { signature } = await client.unary(method.sign, { keyId, input: message(MESSAGE) });
      expect(verify('sha256', MESSAGE, keyOf(publicKey), signature)).toBe(true);
    }
    await stand.setting.notary.client.destroyKey({ identityUid: 'i-press', generation: 1 });
    await failsWith(status.NOT_FOUND, client.unary(method.sign, { keyId: before.keyId, input: message(MESSAGE) }));
    const foreign = client.unary(method.sign, { keyId: 'i-other/1', input: message(MESSAGE) });
    expect(await failsWith(status.PERMISSION_DENIED, foreign)).toContain('KeyNotHeld');
  });

  it('does not put the key on the SPIFFE Workload API, and says where it is used', async () => {
    const { client } = await withPress();
    const fetched = client.serverStream(SpiffeWorkloadAPI.method.fetchX509SVID, {}).next();
    expect(await failsWith(status.PERMISSION_DENIED, fetched)).toContain('KeyInHardware');
  });

  it('tells where the key is and what the token says of it; of a key in memory there is nothing to tell', async () => {
    const { stand, client } = await withPress();
    const { key, attributes, token } = await client.unary(method.getEvidence, {});
    expect(key!.keyUri).toMatch(/^pkcs11:.*i-press/);
    expect(attributes).toMatchObject({ sensitive: true, extractable: false, neverExtractable: true, local: true });
    expect(token).toMatchObject({ kind: 'PKCS11', label: TOKEN });
    await stand.hold('till', MEMORY);
    const none = client.unary(method.getEvidence, { identity: 'till' });
    expect(await failsWith(status.PERMISSION_DENIED, none)).toContain('KeyInMemory');
  });

  it('gives evidence for others to judge, of a key in a PKCS#11 token no more than its claims, and is recorded', async () => {
    const { stand, client, records } = await withPress();
    const module = new NotaryClient({ folder: stand.folder });
    atEnd(() => module.close());
    const nonce = randomBytes(16);
    const evidence = parseKeyEvidence(await module.evidence(nonce));
    expect(evidence).toMatchObject({ nonce: nonce.toString('base64'), key: { owner: 'factory/press' } });
    const publicKey = Buffer.from((await client.unary(method.getPublicKey, {})).key!.publicKey);
    const said = keyStatements(evidence, { publicKey, nonce, now: Date.now() });
    expect(said.map(({ level }) => level)).toEqual(['Claimed', 'Claimed', 'Proven', 'Claimed']);
    expect(said.map(({ text }) => text)).toEqual([
      expect.stringContaining(`PKCS11 token "${TOKEN}"`),
      expect.stringContaining('extractable false, never extractable true, made there true: claimed by the token'),
      'the evidence is about the key that you gave',
      expect.stringMatching(/^at .* it was the key of module factory\/press on node node-1$/),
    ]);
    const short = client.unary(method.getEvidence, { nonce: Buffer.alloc(7) });
    expect(await failsWith(status.INVALID_ARGUMENT, short)).toContain('nonce: expected 8 to 64 bytes or none');
    expect(records().at(-1)).toMatchObject({ operation: 'keyEvidence', who: { identity: 'press' }, result: 'Done' });
  });

  it('goes on through a restart of the notary', async () => {
    const { stand, client } = await withPress();
    await stand.setting.notary.stop('SIGKILL');
    const signed = client.unary(method.sign, { input: message(MESSAGE) });
    stand.setting.notary.start();
    expect((await signed).signature.length).toBeGreaterThan(64);
  });
});

describe('the Notary API', () => {
  it('encrypts for one identity and what it says beside, and for nobody else', async () => {
    const { stand, client } = await withPress();
    await stand.hold('till', MEMORY);
    const additionalData = Buffer.from('recipe');
    const asked = { identity: 'press', plaintext: MESSAGE, additionalData };
    const { ciphertext } = await client.unary(method.encrypt, asked);
    expect(Buffer.from(ciphertext).includes(MESSAGE)).toBe(false);
    const decrypted = (change: object) =>
      client.unary(method.decrypt, { identity: 'press', ciphertext, additionalData, ...change });
    expect(Buffer.from((await decrypted({})).plaintext)).toEqual(MESSAGE);
    await failsWith(status.INVALID_ARGUMENT, decrypted({ identity: 'till' }));
    await failsWith(status.INVALID_ARGUMENT, decrypted({ additionalData: Buffer.from('other') }));
  });

  it('certifies a key that the module made, for its own names alone and for no longer than its certificates', async () => {
    const { stand, client } = await withPress();
    const { spiffeId } = stand.wanted('press');
    const issue = (names: Parameters<typeof requestFor>[0], seconds?: bigint) => {
      const made = requestFor(names);
      const lifetime = seconds !== undefined && { lifetime: { seconds } };
      return { ...made, call: client.unary(method.issueCertificate, { ...made, ...lifetime }) };
    };
    const { publicKey, call } = issue({ spiffeId }, 60n);
    const { chain, serial, notAfter } = await call;
    const leaf = new X509Certificate(chain[0]!);
    expect(leaf.subjectAltName).toBe(`URI:${spiffeId}`);
    expect(leaf.verify(new X509Certificate(stand.anchors).publicKey)).toBe(true);
    expect(leaf.publicKey.equals(keyOf(publicKey))).toBe(true);
    expect(Number(notAfter!.seconds) * 1000 - Date.now()).toBeLessThanOrEqual(61_000);
    expect(serial).toBe(leaf.serialNumber.toLowerCase());
    const others = [{ spiffeId: `${spiffeId}-other` }, { spiffeId, dnsNames: ['till.factory.svc'] }];
    for (const names of others) {
      expect(await failsWith(status.PERMISSION_DENIED, issue(names).call)).toContain('expected names of this module');
    }
    expect(await failsWith(status.INVALID_ARGUMENT, issue({}, 601n).call)).toContain('1 to 600 seconds');
    const garbage = client.unary(method.issueCertificate, { certificationRequest: MESSAGE });
    await failsWith(status.INVALID_ARGUMENT, garbage);
  });

  it('tells of each rotation and of the withdrawal, with chain, key and trust anchors', async () => {
    const { stand } = await withPress();
    const stream = stand.watch();
    const first = (await stream.next()).value!;
    const [press] = first.identities;
    expect(press).toMatchObject({ name: 'press', maySign: true, mayEncrypt: true, mayIssue: true });
    expect(keyOf(press!.key!.publicKey).equals(new X509Certificate(press!.chain[0]!).publicKey)).toBe(true);
    expect(Object.keys(first.trustAnchors)).toEqual(['spiffe://edge.example']);
    const next = stream.next();
    await stand.hold('press', HARDWARE, 2);
    const [rotated] = (await next).value!.identities;
    expect(rotated!.key!.keyId).not.toBe(press!.key!.keyId);
    expect(keyOf(rotated!.key!.publicKey).equals(new X509Certificate(rotated!.chain[0]!).publicKey)).toBe(true);
    const end = stream.next();
    stand.withdraw('press');
    expect(await failsWith(status.PERMISSION_DENIED, end)).toContain('IdentityWithdrawn');
  });

  it('does what the ModuleIdentity grants and nothing else, and says what to set', async () => {
    const { stand, client } = await withPress();
    await stand.hold('press', { ...HARDWARE, notary: NONE });
    const { certificationRequest } = requestFor();
    for (const [grant, call] of [
      ['sign', client.unary(method.sign, { input: message(MESSAGE) })],
      ['encrypt', client.unary(method.encrypt, { plaintext: MESSAGE })],
      ['encrypt', client.unary(method.decrypt, { ciphertext: MESSAGE })],
      ['issue', client.unary(method.issueCertificate, { certificationRequest })],
    ] as const) {
      const error = await failsWith(status.PERMISSION_DENIED, call);
      expect(error).toContain(`NotGranted: ModuleIdentity press does not grant it; set spec.notary.${grant}`);
    }
    expect((await client.unary(method.getPublicKey, {})).key).toBeDefined();
  });

  it('does not sign for a module that has its key itself', async () => {
    const stand = await NotaryApiStand.open();
    await stand.hold('till', { ...MEMORY, notary: ALL });
    const error = await failsWith(
      status.PERMISSION_DENIED,
      stand.client.unary(method.sign, { input: message(MESSAGE) }),
    );
    expect(error).toContain('KeyInMemory');
    const { key } = await stand.client.unary(method.getPublicKey, {});
    expect(key).toMatchObject({ residency: Residency.MEMORY, keyId: '', keyUri: '' });
  });

  it('serves the module alone, as long as it may have the identity, and asks for the header', async () => {
    const { stand, client } = await withPress();
    const ask = () => client.unary(method.sign, { input: message(MESSAGE) });
    await ask();
    stand.verdict = { allowed: false, reason: 'CodeNotFromImage', message: 'expected that', table: [] };
    stand.judgeAnew();
    expect(await failsWith(status.PERMISSION_DENIED, ask())).toContain('CodeNotFromImage: expected that');
    stand.verdict = { allowed: true } as never;
    stand.judgeAnew();
    stand.refused = { state: 'Refused', reason: 'ImageDigestMismatch', message: 'm', passing: false };
    expect(await failsWith(status.PERMISSION_DENIED, ask())).toContain('ImageDigestMismatch');
    stand.refused = undefined;
    await ask();
    const bare = new GrpcClient(`${stand.folder}/spiffe.sock`);
    const refused = bare.unary(method.sign, { input: message(MESSAGE) });
    expect(await failsWith(status.INVALID_ARGUMENT, refused)).toContain('workload.spiffe.io');
    bare.close();
  });

  it('finds the identity by name, or takes that of the volume, or the only one', async () => {
    const stand = await NotaryApiStand.open('till');
    await stand.hold('press', HARDWARE);
    await stand.hold('till', MEMORY);
    const residency = async (identity: string) =>
      (await stand.client.unary(method.getPublicKey, { identity })).key!.residency;
    expect([await residency('press'), await residency('')]).toEqual([Residency.HARDWARE, Residency.MEMORY]);
    expect(await failsWith(status.PERMISSION_DENIED, residency('vault'))).toContain('IdentityNotHeld');
    const unnamed = await NotaryApiStand.open();
    await unnamed.hold('press', HARDWARE);
    await unnamed.hold('till', MEMORY);
    const call = unnamed.client.unary(method.getPublicKey, {});
    expect(await failsWith(status.INVALID_ARGUMENT, call)).toContain('identity: expected one of press, till');
  });

  it('refuses what is malformed, and says what it expected', async () => {
    const { client } = await withPress();
    const sign = (request: object) => client.unary(method.sign, request);
    for (const [call, expected] of [
      [sign({}), 'input: expected a message or a digest'],
      [sign({ input: digest(Buffer.alloc(20)) }), 'digest: expected a SHA-256 of 32 bytes, found 20 bytes'],
      [
        sign({ input: message(Buffer.alloc(32_769)) }),
        'message: expected at most 32768 bytes (send a digest for more)',
      ],
      [sign({ input: message(MESSAGE), keyId: 'x' }), 'key_id: expected one that this API has given'],
      [sign({ input: message(MESSAGE), format: 7 }), 'format: expected SIGNATURE_FORMAT_UNSPECIFIED'],
      [client.unary(method.encrypt, { plaintext: Buffer.alloc(33_000) }), 'plaintext: expected at most 32768 bytes'],
      [
        client.unary(method.encrypt, { additionalData: Buffer.alloc(1025) }),
        'additional_data: expected at most 1024 bytes',
      ],
    ] as const) {
      expect(await failsWith(status.INVALID_ARGUMENT, call)).toContain(expected);
    }
    await failsWith(status.RESOURCE_EXHAUSTED, sign({ input: message(Buffer.alloc(70_000)) }));
  });
});

describe('the client for Node', () => {
  it('follows an identity on the socket, whose key is in the token or in memory', async () => {
    const { stand } = await withPress();
    const identity = await Identity.open({ folder: stand.folder, from: 'socket' });
    atEnd(() => identity.close());
    expect(identity.current).toMatchObject({ spiffeId: stand.wanted('press').spiffeId, privateKey: undefined });
    expect(identity.current.trustAnchors).toBe(stand.anchors);
    const changed = once(identity, 'change');
    await stand.hold('press', MEMORY);
    expect(await changed).toEqual([expect.objectContaining({ privateKey: expect.stringContaining('PRIVATE KEY') })]);
    expect(identity.secureContext).toBeDefined();
    const back = once(identity, 'change');
    await stand.hold('press', HARDWARE);
    expect(await back).toEqual([expect.objectContaining({ privateKey: undefined })]);
  });

  it('signs for JOSE, encrypts, has keys certified, and passes on why something is refused', async () => {
    const { stand } = await withPress();
    const client = new NotaryClient({ folder: stand.folder });
    atEnd(() => client.close());
    const input = `${base64url({ alg: 'ES256' })}.${base64url({ lids: 17 })}`;
    const signature = await client.sign(Buffer.from(input), { format: 'p1363' });
    const key = await client.publicKey();
    expect(verify('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    const der = await client.signDigest(hash('sha256', MESSAGE, 'buffer'));
    expect(verify('sha256', MESSAGE, key, der)).toBe(true);
    expect(await client.decrypt(await client.encrypt(MESSAGE))).toEqual(MESSAGE);
    const { publicKey, certificationRequest } = requestFor();
    const [leaf] = await client.issueCertificate(certificationRequest);
    expect(new X509Certificate(leaf!).publicKey.equals(keyOf(publicKey))).toBe(true);
    await stand.hold('press', { ...HARDWARE, notary: NONE });
    await expect(client.sign(MESSAGE)).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: expect.stringContaining('set spec.notary.sign to true'),
    });
  });
});

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function withPress() {
  const stand = await NotaryApiStand.open();
  await stand.hold('press', HARDWARE);
  return { stand, client: stand.client, records: () => stand.setting.auditRecords };
}
