// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { digestOfReference, normalDigest, resolveImage, type ReadBlob } from '../../../src/runtime/image-digests.ts';
import { ImageEvidenceSource, type ImageStore } from '../../../src/runtime/image-evidence.ts';

const OCI = 'application/vnd.oci.image';

/** A content store in memory that counts what is read. */
class Blobs {
  readonly #blobs = new Map<string, Uint8Array>();
  readonly reads: string[] = [];

  put(document: object): string {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.#blobs.set(digest, bytes);
    return digest;
  }

  forge(digest: string, document: object): void {
    this.#blobs.set(digest, Buffer.from(JSON.stringify(document)));
  }

  manifest(config: string): string {
    return this.put({ schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, config: { digest: config }, layers: [] });
  }

  index(...manifests: object[]): string {
    return this.put({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests });
  }

  read: ReadBlob = (digest) => {
    this.reads.push(digest);
    return Promise.resolve(this.#blobs.get(digest));
  };
}

const config = (name: string): string => `sha256:${createHash('sha256').update(name).digest('hex')}`;
const LOCAL = { architecture: process.arch === 'x64' ? 'amd64' : process.arch, os: 'linux' };

describe('digests in text', () => {
  it.each([
    ['sha256:' + 'a'.repeat(64), 'sha256:' + 'a'.repeat(64)],
    ['A'.repeat(64), 'sha256:' + 'a'.repeat(64)],
    ['SHA256:' + 'A'.repeat(64), 'sha256:' + 'a'.repeat(64)],
    ['sha512:' + 'a'.repeat(128), undefined],
    ['sha256:' + 'a'.repeat(63), undefined],
    ['docker.io/library/busybox:1', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('normalises %j to %j', (text, digest) => expect(normalDigest(text)).toBe(digest));

  it.each([
    ['registry:5000/name@sha256:' + 'b'.repeat(64), 'sha256:' + 'b'.repeat(64)],
    ['registry:5000/name:tag@sha256:' + 'b'.repeat(64), 'sha256:' + 'b'.repeat(64)],
    ['registry:5000/name:tag', undefined],
    ['sha256:' + 'b'.repeat(64), 'sha256:' + 'b'.repeat(64)],
  ])('finds the digest in %j', (reference, digest) => expect(digestOfReference(reference)).toBe(digest));
});

describe('following an image to its configuration', () => {
  it('goes through the index to the manifest of the configuration', async () => {
    const blobs = new Blobs();
    const [mine, other] = [blobs.manifest(config('mine')), blobs.manifest(config('other'))];
    const index = blobs.index({ digest: other, platform: { architecture: 'vax' } }, { digest: mine, platform: LOCAL });
    expect(await resolveImage(index, config('mine'), blobs.read)).toEqual({ manifest: mine, index });
    // The local platform's manifest is looked at first.
    expect(blobs.reads).toEqual([index, mine]);
  });

  it('goes through an index in an index, and gives the outer one', async () => {
    const blobs = new Blobs();
    const mine = blobs.manifest(config('mine'));
    const outer = blobs.index({ digest: blobs.index({ digest: mine }) });
    expect(await resolveImage(outer, config('mine'), blobs.read)).toEqual({ manifest: mine, index: outer });
  });

  it('knows no index where the target is a manifest', async () => {
    const blobs = new Blobs();
    const mine = blobs.manifest(config('mine'));
    expect(await resolveImage(mine, config('mine'), blobs.read)).toEqual({ manifest: mine });
  });

  it('finds nothing in an image of another configuration', async () => {
    const blobs = new Blobs();
    const index = blobs.index({ digest: blobs.manifest(config('other')) });
    expect(await resolveImage(index, config('mine'), blobs.read)).toBeUndefined();
  });

  it('does not believe a blob whose hash is not its name', async () => {
    const blobs = new Blobs();
    const claimed = config('anything');
    blobs.forge(claimed, { config: { digest: config('mine') } });
    expect(await resolveImage(claimed, config('mine'), blobs.read)).toBeUndefined();
  });

  it('passes by attestations and what the store does not hold', async () => {
    const blobs = new Blobs();
    const mine = blobs.manifest(config('mine'));
    const attestation = blobs.manifest(config('mine'));
    const index = blobs.index(
      { digest: attestation, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
      { digest: config('absent') },
      { digest: mine },
    );
    expect(await resolveImage(index, config('mine'), blobs.read)).toEqual({ manifest: mine, index });
  });

  it('gives up on an index nested without end and on documents of other kinds', async () => {
    const blobs = new Blobs();
    let digest = blobs.manifest(config('mine'));
    for (let depth = 0; depth < 10; depth++) digest = blobs.index({ digest });
    expect(await resolveImage(digest, config('mine'), blobs.read)).toBeUndefined();
    for (const document of [[], 'text', null, { manifests: 'none' }, { config: null }, { config: { digest: 7 } }])
      expect(await resolveImage(blobs.put(document as object), config('mine'), blobs.read)).toBeUndefined();
  });
});

class Store implements ImageStore {
  readonly blobs = new Blobs();
  supported = true;
  names = new Map<string, string>();
  calls = 0;
  target(name: string): Promise<string | undefined> {
    this.calls++;
    return Promise.resolve(this.names.get(name));
  }
  targets(): Promise<readonly string[]> {
    this.calls++;
    return Promise.resolve([...this.names.values()]);
  }
  read(digest: string): Promise<Uint8Array | undefined> {
    this.calls++;
    return this.blobs.read(digest);
  }
}

describe('evidence of a container image', () => {
  it('prefers the index that the pod names among several of one configuration', async () => {
    const store = new Store();
    const manifest = store.blobs.manifest(config('c'));
    const [one, two] = [
      store.blobs.index({ digest: manifest }),
      store.blobs.index({ digest: manifest }, { digest: config('x') }),
    ];
    store.names.set(config('c'), one);
    const source = new ImageEvidenceSource(store, () => Promise.resolve([`r/n@${one}`, `r/n@${two}`]));
    const reference = `r/n@${two}`;
    expect(await source.of({ config: config('c'), reference })).toEqual({
      reference,
      config: config('c'),
      manifest,
      index: two,
    });
  });

  it('does not believe a digest that the pod names and that is of another image', async () => {
    const store = new Store();
    const manifest = store.blobs.manifest(config('c'));
    const foreign = store.blobs.index({ digest: store.blobs.manifest(config('foreign')) });
    store.names.set(config('c'), manifest);
    const source = new ImageEvidenceSource(store, () => Promise.resolve([]));
    const evidence = await source.of({ config: config('c'), reference: `r/n@${foreign}` });
    expect(evidence).toMatchObject({ manifest });
    expect(evidence.index).toBeUndefined();
  });

  it('traces a side-loaded image by the name that the CRI keeps for its configuration', async () => {
    const store = new Store();
    const manifest = store.blobs.manifest(config('c'));
    const index = store.blobs.index({ digest: manifest });
    store.names.set(config('c'), index);
    const source = new ImageEvidenceSource(store, () => Promise.resolve([]));
    expect(await source.of({ config: config('c'), reference: 'name:1' })).toMatchObject({ manifest, index });
  });

  it('looks through all images at last', async () => {
    const store = new Store();
    const index = store.blobs.index({ digest: store.blobs.manifest(config('c')) });
    store.names.set('elsewhere:1', index);
    const source = new ImageEvidenceSource(store, () => Promise.resolve([]));
    expect(await source.of({ config: config('c'), reference: 'name:1' })).toMatchObject({ index });
  });

  it('asks once for what never changes, and again for what was not found', async () => {
    const store = new Store();
    const source = new ImageEvidenceSource(store, () => Promise.resolve([]));
    const image = { config: config('c'), reference: 'name:1' };
    expect(await source.of(image)).toEqual({ config: config('c'), reference: 'name:1' });
    store.names.set(config('c'), store.blobs.manifest(config('c')));
    const found = await source.of(image);
    expect(found.manifest).toBeDefined();
    const calls = store.calls;
    expect(await source.of(image)).toBe(found);
    expect(store.calls).toBe(calls);
  });

  it('says of a runtime without containerd services what it can and cannot tell', async () => {
    const store = new Store();
    store.supported = false;
    const pulled = config('index or manifest');
    const source = new ImageEvidenceSource(store, () => Promise.resolve([`r/n@${config('another')}`, `r/n@${pulled}`]));
    const evidence = await source.of({ config: config('c'), reference: `r/n@${pulled}` });
    expect(evidence).toMatchObject({ config: config('c'), manifest: pulled });
    expect(evidence.reference).toContain('does not tell whether of an index');
  });
});
