// SPDX-License-Identifier: Apache-2.0
import { build, type Metafile, type Plugin } from 'esbuild';
import { copyFile, mkdir, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { copyChartCrds } from './chart-crds.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Where `npm run build` puts the bundles. */
export const OUT_DIR = join(ROOT, 'out');

/** Programs of the product image, by the name of their bundle. Each is its own process and shares no code at run time. */
export const PROGRAMS = {
  controller: 'src/bin/controller.ts',
  agent: 'src/bin/agent.ts',
  notary: 'src/bin/notary.ts',
  cli: 'src/bin/cli.ts',
  'node-init': 'src/build/image/node-init.ts',
} as const;

/** ES modules have no `require`; the CommonJS packages inside a bundle, and pkcs11.node, need one. */
const BANNER = [
  "import { createRequire as __keysteadRequire } from 'node:module';",
  'const require = __keysteadRequire(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

/** One finished bundle. */
export interface Bundle {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  /** Minified bytes in it by npm package; Keystead's own code counts as `keystead`. Largest first. */
  readonly packages: readonly (readonly [name: string, bytes: number])[];
}

/** Bundles every program whose entry exists into `outDir`, with the native modules beside them. */
export async function bundlePrograms(outDir: string = OUT_DIR): Promise<Bundle[]> {
  const programs = Object.entries(PROGRAMS).filter(([, entry]) => existsSync(join(ROOT, entry)));
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await copyFile(koffiBinary(), join(outDir, koffiFile(`linux-${process.arch}`)));
  return Promise.all(programs.map(([name, entry]) => bundleProgram(name, entry, outDir)));
}

async function bundleProgram(name: string, entry: string, outDir: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir: outDir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    banner: { js: BANNER },
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    metafile: true,
    plugins: [koffiBeside],
    logLevel: 'warning',
    // Speed-ups of ws that it tries to load and does without.
    external: ['bufferutil', 'utf-8-validate'],
  });
  const file = join(outDir, `${name}.mjs`);
  return { name, file, bytes: (await stat(file)).size, packages: packagesOf(result.metafile, `${name}.mjs`) };
}

/**
 * koffi looks for its binary relative to its own package, which a bundle does not have. The bundle loads it from
 * beside itself instead, and only that one: a missing file must fail at start, not fall back to another version.
 */
const koffiBeside: Plugin = {
  name: 'koffi-beside-the-bundle',
  setup(esbuild) {
    esbuild.onLoad({ filter: /[/\\]koffi[/\\]src[/\\]koffi[/\\]src[/\\]static\.js$/ }, () => ({
      contents: [
        "import { createRequire } from 'node:module';",
        'export function loadStatic(platform) {',
        '  return createRequire(import.meta.url)(`./koffi-${platform}.node`);',
        '}',
      ].join('\n'),
    }));
  },
};

function koffiFile(platform: string): string {
  return `koffi-${platform}.node`;
}

function koffiBinary(): string {
  const platform = `linux-${process.arch}`;
  return join(ROOT, 'node_modules/@koromix', `koffi-${platform}`, platform.replace('-', '_'), 'koffi.node');
}

function packagesOf(metafile: Metafile, outputName: string): [string, number][] {
  const output = Object.entries(metafile.outputs).find(([path]) => basename(path) === outputName)?.[1];
  const sums = new Map<string, number>();
  for (const [path, { bytesInOutput }] of Object.entries(output?.inputs ?? {})) {
    const name = /(?:^|.*\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'keystead';
    sums.set(name, (sums.get(name) ?? 0) + bytesInOutput);
  }
  return [...sums].filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
}

/** The report of `npm run build`: bytes of each bundle, and what the trusted core is made of. */
export function describeBundles(bundles: readonly Bundle[]): string {
  const lines = bundles.map(({ name, bytes }) => `${name.padEnd(12)} ${String(bytes).padStart(9)} bytes`);
  const notary = bundles.find(({ name }) => name === 'notary');
  if (notary) {
    lines.push('', `The notary, the trusted core, holds ${notary.packages.length - 1} packages beside its own code:`);
    lines.push(...notary.packages.map(([name, bytes]) => `  ${name.padEnd(32)} ${String(bytes).padStart(9)} bytes`));
  }
  return lines.join('\n');
}

if (import.meta.main) {
  const copied = await copyChartCrds();
  console.log(describeBundles(await bundlePrograms()));
  console.log(`\n${copied} CRDs copied into the chart; bundles are in ${OUT_DIR}`);
}
