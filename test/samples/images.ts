// SPDX-License-Identifier: Apache-2.0
import { transform } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeImage, type Image } from '../../src/build/image/image.ts';
import { packLayer } from '../../src/build/image/layer.ts';
import { baseLayer, IMAGE_PATHS } from '../../src/build/image/product.ts';

/** Images of the sample modules, on the product's own base layer. */
export interface SampleImages {
  readonly greeter: Image;
  /** The greeter with one line more: it behaves the same and has another digest. */
  readonly impostor: Image;
}

export async function sampleImages(): Promise<SampleImages> {
  const source = await readFile(join(import.meta.dirname, 'greeter/greeter.ts'), 'utf8');
  const tampered = `${source}\nsay('I am hello, honestly');\n`;
  return { greeter: await greeterImage('greeter', source), impostor: await greeterImage('impostor', tampered) };
}

async function greeterImage(title: string, source: string): Promise<Image> {
  const { code } = await transform(source, { loader: 'ts', format: 'esm', target: 'node24' });
  const content = Buffer.from(code);
  const app = await packLayer([{ kind: 'file', path: 'app/greeter.mjs', mode: 0o644, content }]);
  return makeImage([await baseLayer(), app], {
    entrypoint: [IMAGE_PATHS.node, '/app/greeter.mjs'],
    user: '65532:65532',
    labels: { 'org.opencontainers.image.title': `keystead sample ${title}` },
  });
}
