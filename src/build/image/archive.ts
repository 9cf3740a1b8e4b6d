// SPDX-License-Identifier: Apache-2.0
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { descriptor, type Image } from './image.ts';
import { tarBytes, type TarEntry } from './tar.ts';

/** An image and the full name (`registry/repository:tag`) that the runtime shall know it by. */
export interface NamedImage {
  readonly name: string;
  readonly image: Image;
}

/**
 * Writes an OCI layout archive for `ctr -n k8s.io images import` (k3s: `k3s ctr images import`). Each image is in it under
 * its name and under `repository@digest`, so that a pod that pins the digest finds it without a registry.
 */
export async function writeArchive(images: readonly NamedImage[], file: string): Promise<void> {
  const blobs = new Map<string, TarEntry>();
  const add = (digest: string, content: Extract<TarEntry, { kind: 'file' }>['content']) => {
    const path = `blobs/${digest.replace(':', '/')}`;
    blobs.set(path, { kind: 'file', path, mode: 0o644, content });
  };
  for (const { image } of images) {
    for (const layer of image.layers) add(layer.digest, { source: layer.file, size: layer.size });
    for (const part of [image.config, image.manifest, image.index]) add(part.digest, part.bytes);
  }
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: images.flatMap(({ name, image }) =>
      [name, pinnedName(name, image)].map((known) => ({
        ...descriptor(image.index),
        annotations: { 'io.containerd.image.name': known },
      })),
    ),
  };
  const json = (path: string, document: object): TarEntry => {
    return { kind: 'file', path, mode: 0o644, content: Buffer.from(JSON.stringify(document)) };
  };
  const entries = [json('oci-layout', { imageLayoutVersion: '1.0.0' }), json('index.json', index), ...blobs.values()];
  await pipeline(Readable.from(tarBytes(entries)), createWriteStream(file));
}

/** `registry/repository@sha256:…` for `registry/repository:tag`. */
export function pinnedName(name: string, image: Image): string {
  return `${name.replace(/:[^:/]+$/, '')}@${image.index.digest}`;
}
