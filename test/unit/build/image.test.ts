// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { writeArchive } from '../../../src/build/image/archive.ts';
import { makeImage, type Image } from '../../../src/build/image/image.ts';
import { packLayer, type Layer } from '../../../src/build/image/layer.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-image-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function layer(text: string, cache = 'cache'): Promise<Layer> {
  const content = Buffer.from(text);
  return packLayer([{ kind: 'file', path: 'app/file', mode: 0o644, content }], join(folder, cache));
}

function image(layers: Layer[]): Image {
  return makeImage(layers, { entrypoint: ['/app/file'], user: '1:1', labels: { title: 'test' } });
}

describe('layers', () => {
  it('has the digest of its bytes, and the diff id of what is in them', async () => {
    const packed = await layer('one');
    const bytes = readFileSync(packed.file);
    expect(packed).toMatchObject({ digest: sha256(bytes), size: bytes.length, diffId: sha256(gunzipSync(bytes)) });
  });

  it('takes an unchanged layer from the cache, and packs the same bytes without one', async () => {
    const first = await layer('two', 'own');
    const files = readdirSync(join(folder, 'own'));
    expect(await layer('two', 'own')).toEqual(first);
    expect(readdirSync(join(folder, 'own'))).toEqual(files);
    expect((await layer('two', 'other')).digest).toBe(first.digest);
    expect((await layer('three', 'own')).digest).not.toBe(first.digest);
  });

  it('packs again when the cache lost the layer but kept its record', async () => {
    const first = await layer('lost', 'lossy');
    rmSync(first.file);
    expect(await layer('lost', 'lossy')).toEqual(first);
    expect(sha256(readFileSync(first.file))).toBe(first.digest);
  });
});

describe('images', () => {
  it('links index, manifest, config and layers by digest and size', async () => {
    const one = await layer('one');
    const { config, manifest, index } = image([one]);
    for (const { bytes, digest, size } of [config, manifest, index]) {
      expect({ digest, size }).toEqual({ digest: sha256(bytes), size: bytes.length });
    }
    const { mediaType, digest, size } = one;
    expect(JSON.parse(manifest.bytes.toString())).toMatchObject({
      config: { digest: config.digest, size: config.size },
      layers: [{ mediaType, digest, size }],
    });
    expect(JSON.parse(index.bytes.toString())).toMatchObject({
      manifests: [{ digest: manifest.digest, size: manifest.size, platform: { os: 'linux' } }],
    });
    expect(JSON.parse(config.bytes.toString())).toMatchObject({
      config: { User: '1:1', Entrypoint: ['/app/file'] },
      rootfs: { type: 'layers', diff_ids: [one.diffId] },
    });
  });

  it('is the same image from the same input, and another from another', async () => {
    const made = image([await layer('one')]);
    expect(image([await layer('one')]).index.digest).toBe(made.index.digest);
    expect(image([await layer('four')]).index.digest).not.toBe(made.index.digest);
  });
});

describe('archives', () => {
  it('holds every blob once under its digest, and names the image by tag and by digest', async () => {
    const [shared, own] = [await layer('one'), await layer('own')];
    const images = [image([shared]), image([shared, own])] as const;
    const file = join(folder, 'images.tar');
    await writeArchive(
      [
        { name: 'registry.test:5000/a:1', image: images[0] },
        { name: 'registry.test:5000/b:1', image: images[1] },
      ],
      file,
    );
    const target = mkdtempSync(join(folder, 'layout-'));
    execFileSync('tar', ['-xf', file, '-C', target]);
    for (const hex of readdirSync(join(target, 'blobs/sha256'))) {
      expect(sha256(readFileSync(join(target, 'blobs/sha256', hex)))).toBe(`sha256:${hex}`);
    }
    expect(readdirSync(join(target, 'blobs/sha256'))).toHaveLength(2 + 2 * 3);
    const index = JSON.parse(readFileSync(join(target, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    expect(index.manifests.map(({ digest, annotations }) => [annotations['io.containerd.image.name'], digest])).toEqual(
      [
        ['registry.test:5000/a:1', images[0].index.digest],
        [`registry.test:5000/a@${images[0].index.digest}`, images[0].index.digest],
        ['registry.test:5000/b:1', images[1].index.digest],
        [`registry.test:5000/b@${images[1].index.digest}`, images[1].index.digest],
      ],
    );
  });
});
