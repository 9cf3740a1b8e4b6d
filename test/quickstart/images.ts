// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { bundlePrograms, OUT_DIR } from '../../src/build/bundle.ts';
import { copyChartCrds } from '../../src/build/chart-crds.ts';
import { writeArchive } from '../../src/build/image/archive.ts';
import type { Image } from '../../src/build/image/image.ts';
import { productImage, productVersion } from '../../src/build/image/product.ts';
import { pushImage } from '../../src/build/image/registry.ts';
import type { Progress } from '../lab/progress.ts';
import { sampleImages } from '../samples/images.ts';

/** Registry part of the names of images that are imported by hand. It needs no such host: the nodes have them already. */
const IMPORTED = 'images.keystead.dev';
export const ARCHIVE = join(OUT_DIR, 'images.tar');

/** The images of the demonstration and where the nodes find them. */
export interface DemoImages {
  readonly registry: string;
  readonly product: Image;
  readonly greeter: Image;
  readonly impostor: Image;
  /** `registry/repository@sha256:…` */
  reference(name: DemoImageName): string;
}

export type DemoImageName = 'product' | 'greeter' | 'impostor';

export const REPOSITORIES = {
  product: 'keystead/keystead',
  greeter: 'keystead/greeter',
  impostor: 'keystead/impostor',
} as const satisfies Record<DemoImageName, string>;

/** Bundles the programs and packs the images; unchanged layers come from the cache. */
export async function buildImages(registry: string | undefined): Promise<DemoImages> {
  await copyChartCrds();
  await bundlePrograms();
  const product = await productImage(OUT_DIR, await productVersion());
  const images = { product, ...(await sampleImages()) };
  const host = registry ?? IMPORTED;
  return {
    ...images,
    registry: host,
    reference: (name) => `${host}/${REPOSITORIES[name]}@${images[name].index.digest}`,
  };
}

/** Pushes the images to the registry; what it has already is not sent again. */
export async function pushImages(images: DemoImages, progress: Progress): Promise<void> {
  const { registry } = images;
  for (const name of Object.keys(REPOSITORIES) as DemoImageName[]) {
    const sibling = name === 'product' ? {} : { sibling: REPOSITORIES.product };
    const repository = { registry, name: REPOSITORIES[name], ...sibling };
    const { sentBytes, reference } = await pushImage(images[name], 'quickstart', repository);
    progress.say(`  ${reference} (${(sentBytes / 1e6).toFixed(1)} MB new)`);
  }
}

/** Writes all images into one archive for `ctr images import`. */
export async function archiveImages(images: DemoImages): Promise<void> {
  const names = Object.keys(REPOSITORIES) as DemoImageName[];
  const named = names.map((name) => ({
    name: `${images.registry}/${REPOSITORIES[name]}:quickstart`,
    image: images[name],
  }));
  await writeArchive(named, ARCHIVE);
}
