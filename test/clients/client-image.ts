// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeImage, type ImageSettings } from '../../src/build/image/image.ts';
import { packLayer, type Layer } from '../../src/build/image/layer.ts';
import { pushImage } from '../../src/build/image/registry.ts';

export type ClientSettings = Pick<ImageSettings, 'entrypoint' | 'env' | 'workingDir'>;

/**
 * Pushes the layers as images that behave the same and differ in their digests, one for each variant. Resolves with
 * references pinned by the index digest.
 */
export async function pushClient(
  { name, registry }: { readonly name: string; readonly registry: string },
  layers: readonly Layer[],
  settings: ClientSettings,
  variants: readonly string[] = ['module'],
): Promise<string[]> {
  const references: string[] = [];
  for (const variant of variants) {
    const labels = { 'org.opencontainers.image.title': `${name} ${variant}` };
    const image = makeImage(layers, { ...settings, user: '1000:1000', labels });
    references.push((await pushImage(image, variant, { registry, name: `keystead/${name}` })).reference);
  }
  return references;
}

/** Files of the sources, below `/app`. */
export async function sourceLayer(...paths: readonly string[]): Promise<Layer> {
  const files = paths.map(async (path) => {
    const content = await readFile(path);
    return { kind: 'file', path: join('app', basename(path)), mode: 0o644, content } as const;
  });
  return packLayer(await Promise.all(files));
}
