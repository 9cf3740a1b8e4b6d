// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { Layer } from './layer.ts';

/** What a container of the image does when nothing else is said. */
export interface ImageSettings {
  readonly entrypoint: readonly string[];
  readonly workingDir?: string;
  /** `uid:gid`, numeric, so that `runAsNonRoot` can be checked. */
  readonly user: string;
  readonly env?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** A small JSON document of the image, addressed by its digest. */
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

/** An OCI image for this machine's platform. Users pin `index.digest`. */
export interface Image {
  readonly layers: readonly Layer[];
  readonly config: Blob;
  readonly manifest: Blob;
  readonly index: Blob;
}

const ARCHITECTURES: Readonly<Partial<Record<NodeJS.Architecture, { architecture: string; variant?: string }>>> = {
  x64: { architecture: 'amd64' },
  arm64: { architecture: 'arm64', variant: 'v8' },
};

/** Puts layers and settings together. Holds no time and no machine name: equal input has equal digests. */
export function makeImage(layers: readonly Layer[], settings: ImageSettings): Image {
  const platform = { ...thisPlatform(), os: 'linux' };
  const config = blob('application/vnd.oci.image.config.v1+json', {
    created: '1970-01-01T00:00:00Z',
    ...platform,
    config: {
      User: settings.user,
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', ...(settings.env ?? [])],
      Entrypoint: settings.entrypoint,
      WorkingDir: settings.workingDir ?? '/',
      Labels: settings.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'keystead image build' })),
  });
  const manifest = blob('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  const index = blob('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...descriptor(manifest), platform }],
  });
  return { layers, config, manifest, index };
}

/** The part of a blob or layer by which other documents refer to it. */
export function descriptor(of: Pick<Blob, 'mediaType' | 'digest' | 'size'>): {
  mediaType: string;
  digest: string;
  size: number;
} {
  return { mediaType: of.mediaType, digest: of.digest, size: of.size };
}

function thisPlatform(): { architecture: string; variant?: string } {
  const platform = ARCHITECTURES[process.arch];
  if (!platform)
    throw new Error(`No image is defined for ${process.arch}; there are ${Object.keys(ARCHITECTURES).join(', ')}`);
  return platform;
}

function blob(mediaType: string, document: object): Blob {
  const bytes = Buffer.from(JSON.stringify(document));
  return { mediaType, bytes, size: bytes.length, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}
