// SPDX-License-Identifier: Apache-2.0
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundlePrograms, OUT_DIR } from '../../src/build/bundle.ts';
import { copyChartCrds } from '../../src/build/chart-crds.ts';
import { writeArchive } from '../../src/build/image/archive.ts';
import type { Image } from '../../src/build/image/image.ts';
import { productImage, productVersion } from '../../src/build/image/product.ts';
import { pushImage } from '../../src/build/image/registry.ts';
import type { Progress } from '../lab/progress.ts';
import { sampleImages } from '../samples/images.ts';
import { QuickstartError } from './quickstart-error.ts';

/** Registry part of the names of images that are imported by hand. It needs no such host: the nodes have them already. */
const IMPORTED = 'images.keystead.dev';
const TAG = 'quickstart';
export const ARCHIVE = join(OUT_DIR, 'images.tar');
/** What is in the archive: the images that were imported, whatever became of the sources since. */
const RECORD = join(OUT_DIR, 'images.json');

export const REPOSITORIES = {
  product: 'keystead/keystead',
  greeter: 'keystead/greeter',
  impostor: 'keystead/impostor',
} as const;
export type DemoImageName = keyof typeof REPOSITORIES;
const NAMES = Object.keys(REPOSITORIES) as DemoImageName[];

/** The three digests of one image. */
export interface ImageDigests {
  readonly index: string;
  readonly manifest: string;
  readonly config: string;
}

/** The images of the demonstration, where the nodes find them. */
export interface DemoImages {
  readonly registry: string;
  readonly digests: Readonly<Record<DemoImageName, ImageDigests>>;
}

/** `registry/repository@sha256:…` */
export function reference({ registry, digests }: DemoImages, name: DemoImageName): string {
  return `${registry}/${REPOSITORIES[name]}@${digests[name].index}`;
}

/** Builds the images and pushes them to a registry; what it has already is not sent again. */
export async function pushedImages(registry: string, progress: Progress): Promise<DemoImages> {
  const images = await buildImages();
  for (const name of NAMES) {
    const sibling = name === 'product' ? {} : { sibling: REPOSITORIES.product };
    const report = await pushImage(images[name], TAG, { registry, name: REPOSITORIES[name], ...sibling });
    progress.say(`  ${report.reference} (${(report.sentBytes / 1e6).toFixed(1)} MB new)`);
  }
  return { registry, digests: digestsOf(images) };
}

/** Builds the images into one archive for `ctr images import`. */
export async function archiveImages(): Promise<void> {
  const images = await buildImages();
  const named = NAMES.map((name) => ({ name: `${IMPORTED}/${REPOSITORIES[name]}:${TAG}`, image: images[name] }));
  await writeArchive(named, ARCHIVE);
  await writeFile(RECORD, JSON.stringify({ registry: IMPORTED, digests: digestsOf(images) } satisfies DemoImages));
}

/** The images of the archive. */
export async function importedImages(): Promise<DemoImages> {
  try {
    return JSON.parse(await readFile(RECORD, 'utf8')) as DemoImages;
  } catch (error) {
    throw new QuickstartError(`there is no ${ARCHIVE} that could have been imported: run without --imported first`, {
      cause: error,
    });
  }
}

/** Bundles the programs and packs the images; unchanged layers come from the cache. */
async function buildImages(): Promise<Record<DemoImageName, Image>> {
  await copyChartCrds();
  await bundlePrograms();
  return { product: await productImage(OUT_DIR, await productVersion()), ...(await sampleImages()) };
}

function digestsOf(images: Readonly<Record<DemoImageName, Image>>): Record<DemoImageName, ImageDigests> {
  const digests = ({ index, manifest, config }: Image): ImageDigests => {
    return { index: index.digest, manifest: manifest.digest, config: config.digest };
  };
  return { product: digests(images.product), greeter: digests(images.greeter), impostor: digests(images.impostor) };
}
