// SPDX-License-Identifier: Apache-2.0
import { parseArgs } from 'node:util';
import { bundlePrograms, OUT_DIR } from '../bundle.ts';
import { copyChartCrds } from '../chart-crds.ts';
import { writeArchive } from './archive.ts';
import { productImage, productVersion } from './product.ts';
import { pushImage } from './registry.ts';

const USAGE = `Builds the product image without Docker.
usage: node src/build/image/cli.ts [--registry host:port] [--archive file.tar] [--repository name] [--tag tag] [--no-bundle]
  --registry    push it to this registry (plain HTTP, no log-in)
  --archive     write an OCI layout archive for "ctr -n k8s.io images import" or "k3s ctr images import"`;

const { values } = parseArgs({
  options: {
    registry: { type: 'string' },
    archive: { type: 'string' },
    repository: { type: 'string', default: 'keystead/keystead' },
    tag: { type: 'string' },
    bundle: { type: 'boolean', default: true },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
});

if (values.help || (!values.registry && !values.archive)) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  await main();
}

async function main(): Promise<void> {
  await copyChartCrds();
  if (values.bundle) await bundlePrograms();
  const version = await productVersion();
  const tag = values.tag ?? version;
  const image = await productImage(OUT_DIR, version);
  const bytes = image.layers.reduce((sum, layer) => sum + layer.size, 0);
  console.log(`keystead ${version}: ${(bytes / 1e6).toFixed(1)} MB in ${image.layers.length} layers`);
  console.log(`index    ${image.index.digest}\nmanifest ${image.manifest.digest}\nconfig   ${image.config.digest}`);
  if (values.registry) {
    const report = await pushImage(image, tag, { registry: values.registry, name: values.repository });
    console.log(`pushed   ${report.reference} (${(report.sentBytes / 1e6).toFixed(1)} MB new)`);
  }
  if (values.archive) {
    const name = `${values.registry ?? 'registry.keystead.dev'}/${values.repository}:${tag}`;
    await writeArchive([{ name, image }], values.archive);
    console.log(`archive  ${values.archive} (${name})`);
  }
}
