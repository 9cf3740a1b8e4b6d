// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage } from '../../../src/build/image/image.ts';
import { packLayer } from '../../../src/build/image/layer.ts';
import { pushImage } from '../../../src/build/image/registry.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-registry-'));
const layer = await packLayer([{ kind: 'file', path: 'f', mode: 0o644, content: Buffer.from('x') }], folder);
const image = makeImage([layer], { entrypoint: ['/f'], user: '1:1', labels: {} });

/** A registry that keeps what it is sent: blobs by digest for each repository, manifests by reference. */
const stored = new Set<string>();
const calls: string[] = [];
let full = false;
const server = createServer((request, response) => {
  const url = new URL(request.url ?? '', 'http://registry');
  const [, repository = '', kind, rest = ''] = /^\/v2\/(.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
  calls.push(`${request.method ?? ''} ${kind ?? ''}`);
  request.resume().on('end', () => {
    if (request.method === 'HEAD') return response.writeHead(stored.has(`${repository} ${rest}`) ? 200 : 404).end();
    if (request.method === 'POST') {
      const mount = url.searchParams.get('mount');
      const from = url.searchParams.get('from');
      if (mount !== null && stored.has(`${from ?? ''} ${mount}`)) {
        stored.add(`${repository} ${mount}`);
        return response.writeHead(201).end();
      }
      // A relative location with a query of its own, as registries give.
      return response.writeHead(202, { location: `/v2/${repository}/blobs/uploads/1?state=abc` }).end();
    }
    if (full) return response.writeHead(507).end('no space left');
    const reference = kind === 'blobs' ? (url.searchParams.get('digest') ?? '') : rest;
    if (kind === 'blobs' && url.searchParams.get('state') !== 'abc') return response.writeHead(400).end();
    stored.add(`${repository} ${reference}`);
    return response.writeHead(201).end();
  });
});
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
const registry = `127.0.0.1:${(server.address() as AddressInfo).port}`;

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  stored.clear();
  calls.length = 0;
  full = false;
});

describe('push', () => {
  it('sends blobs, then the manifest by digest, then the index under the tag, and tells the pinned name', async () => {
    const report = await pushImage(image, 'v1', { registry, name: 'a/b' });
    const digests = [layer.digest, image.config.digest, image.manifest.digest, 'v1'];
    expect([...stored]).toEqual(digests.map((digest) => `a/b ${digest}`));
    expect(report).toEqual({
      sentBytes: layer.size + image.config.size,
      reference: `${registry}/a/b@${image.index.digest}`,
    });
  });

  it('does not send again what the registry has', async () => {
    await pushImage(image, 'v1', { registry, name: 'a/b' });
    calls.length = 0;
    expect((await pushImage(image, 'v1', { registry, name: 'a/b' })).sentBytes).toBe(0);
    expect(calls).toEqual(['HEAD blobs', 'HEAD blobs', 'PUT manifests', 'PUT manifests']);
  });

  it('mounts what a sibling repository has', async () => {
    await pushImage(image, 'v1', { registry, name: 'a/b' });
    expect((await pushImage(image, 'v1', { registry, name: 'c', sibling: 'a/b' })).sentBytes).toBe(0);
    expect(stored).toContain(`c ${layer.digest}`);
  });

  it('says what the registry refused and why', async () => {
    full = true;
    await expect(pushImage(image, 'v1', { registry, name: 'a/b' })).rejects.toThrow(
      `The registry ${registry} refused the upload of ${layer.digest}: HTTP 507 no space left`,
    );
  });

  it('says that no registry answers', async () => {
    await expect(pushImage(image, 'v1', { registry: '127.0.0.1:9', name: 'a' })).rejects.toThrow(
      'The registry 127.0.0.1:9 does not answer',
    );
  });
});
