// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignatureFolder } from '../../../src/signature/folder-store.ts';
import { ImageSignatures } from '../../../src/signature/image-signatures.ts';
import type { SignatureStore } from '../../../src/signature/port.ts';
import { challengeOf, tokenUrl } from '../../../src/signature/registry/challenge.ts';
import { RegistryClient } from '../../../src/signature/registry/client.ts';
import { repositoryOf } from '../../../src/signature/registry/reference.ts';
import { RegistrySignatures } from '../../../src/signature/registry/store.ts';
import { bundleByKey, ecKey, IMAGE, INDEX, payloadFor, pem, signedByKey } from './signers.ts';

const key = ecKey();
const policy = { keys: [{ name: 'release', publicKey: pem(key) }], identities: [] };
const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

test.each([
  ['busybox', 'registry-1.docker.io', 'library/busybox'],
  ['org/app:1@sha256:00', 'registry-1.docker.io', 'org/app'],
  ['docker.io/library/busybox', 'registry-1.docker.io', 'library/busybox'],
  ['localhost/app', 'localhost', 'app'],
  ['10.0.0.1:5000/a/b:1', '10.0.0.1:5000', 'a/b'],
  ['registry.example.org/a@sha256:00', 'registry.example.org', 'a'],
])('the repository of %s is on %s: %s', (reference, host, name) => {
  expect(repositoryOf(reference)).toEqual({ host, name });
});

test.each(['sha256:00', 'UPPER/case', 'a/../b', '', 'host:80/'])('%j names no repository', (reference) => {
  expect(repositoryOf(reference)).toBeUndefined();
});

test('a challenge tells where a token is asked for, over TLS alone', () => {
  const challenge = challengeOf('Bearer realm="https://auth.example.org/token",service="registry"');
  expect(challenge && String(tokenUrl(challenge, 'app'))).toBe(
    'https://auth.example.org/token?service=registry&scope=repository%3Aapp%3Apull',
  );
  expect(challengeOf('Bearer realm="http://auth.example.org/token"')).toBeUndefined();
  expect(challengeOf('Basic realm="x"')).toBeUndefined();
});

describe('a registry', () => {
  const blobs = new Map<string, Buffer>();
  let server: Server;
  let host = '';
  let down = false;

  beforeAll(async () => {
    const simple = signedByKey(key);
    const annotations = { 'dev.cosignproject.cosign/signature': simple.signature.toString('base64') };
    const mediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
    blobs.set(digestOf(simple.payload), simple.payload);
    blobs.set(
      `${INDEX.replace(':', '-')}.sig`,
      json({ layers: [{ mediaType, digest: digestOf(simple.payload), annotations }] }),
    );
    const bundle = json((bundleByKey(key) as { bundle: unknown }).bundle);
    const bundleLayer = { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', digest: digestOf(bundle) };
    const referrer = json({ layers: [bundleLayer] });
    for (const bytes of [bundle, referrer]) blobs.set(digestOf(bytes), bytes);
    blobs.set(IMAGE.manifest.replace(':', '-'), json({ manifests: [{ digest: digestOf(referrer), mediaType: 'x' }] }));
    server = createServer((request, response) => {
      const authorized = request.headers.authorization === `Basic ${Buffer.from('me:secret').toString('base64')}`;
      const bytes = blobs.get(request.url?.split('/').at(-1) ?? '');
      response.statusCode = down ? 500 : !authorized ? 401 : bytes ? 200 : 404;
      response.end(response.statusCode === 200 ? bytes : '');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  const store = (password = 'secret') =>
    new RegistrySignatures(
      new RegistryClient({
        plainHttp: new Set([host]),
        basic: () => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`,
      }),
    );
  const image = () => ({ ...IMAGE, reference: `${host}/app@${INDEX}` });

  test('gives signatures under the tag of the index and bundles that refer to the manifest', async () => {
    const found = await store().find(image());
    expect(found.map(({ format }) => format)).toEqual(['SimpleSigning', 'Bundle']);
  });

  test('that refuses or fails is Unavailable, with what to do about it', async () => {
    await expect(store('wrong').find(image())).rejects.toThrow('401; see signatures.registryCredentials');
    down = true;
    await expect(store().find(image())).rejects.toMatchObject({ code: 'Unavailable' });
    down = false;
  });

  test('a payload that is not what its digest says is passed over', async () => {
    const [digest, payload] = [...blobs].find(([name]) => name.startsWith('sha256:')) ?? ['', Buffer.alloc(0)];
    blobs.set(digest, Buffer.from('another'));
    expect((await store().find(image())).map(({ format }) => format)).toEqual(['Bundle']);
    blobs.set(digest, payload);
  });
});

describe('verdicts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-signatures-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const away: SignatureStore = { find: () => Promise.reject(new Error('the registry is away')) };
  const there: SignatureStore = { find: () => Promise.resolve([signedByKey(key)]) };
  let now = 0;
  const signatures = (...stores: SignatureStore[]) =>
    new ImageSignatures({ clock: { now: () => now }, stores, kept: new SignatureFolder(folder), trust: undefined });

  test('an image whose signatures cannot be had is not verified, and the message says why', async () => {
    const verdict = await signatures(away).of(IMAGE, policy);
    expect(verdict.verified).toBe(false);
    expect(verdict.message).toContain('the registry is away');
  });

  test('what was verified once is verified after a restart without the registry', async () => {
    expect((await signatures(there).of(IMAGE, policy)).verified).toBe(true);
    expect((await signatures(away).of(IMAGE, policy)).verified).toBe(true);
    const others = { keys: [{ name: 'other', publicKey: pem(ecKey()) }], identities: [] };
    expect((await signatures(away).of(IMAGE, others)).verified).toBe(false);
  });

  test('a verdict stands for a day and a refusal for half a minute', async () => {
    const fresh = { ...IMAGE, index: `sha256:${'7'.repeat(64)}` };
    let asked = 0;
    let found = [signedByKey(ecKey(), payloadFor(fresh.index))];
    const counting: SignatureStore = { find: () => Promise.resolve((asked++, found)) };
    const judged = signatures(counting);
    expect((await judged.of(fresh, policy)).verified).toBe(false);
    expect((await judged.of(fresh, policy)).verified).toBe(false);
    expect(asked).toBe(1);
    now += 30_001;
    found = [signedByKey(key, payloadFor(fresh.index))];
    expect((await judged.of(fresh, policy)).verified).toBe(true);
    now += 23 * 3_600_000;
    await judged.of(fresh, policy);
    expect(asked).toBe(2);
    now += 2 * 3_600_000;
    await judged.of(fresh, policy);
    expect(asked).toBe(3);
  });

  test('a folder takes what cosign download signature prints, and says so of anything else', async () => {
    const { payload, signature } = signedByKey(key);
    const line = { Base64Signature: signature.toString('base64'), Payload: payload.toString('base64'), Cert: null };
    const file = join(folder, `${INDEX.replace(':', '-')}.json`);
    writeFileSync(file, `${JSON.stringify(line)}\n${JSON.stringify(line)}\n`);
    expect(await new SignatureFolder(folder).find(IMAGE)).toHaveLength(2);
    writeFileSync(file, 'nothing');
    await expect(new SignatureFolder(folder).find(IMAGE)).rejects.toThrow('what cosign download signature prints');
  });
});
