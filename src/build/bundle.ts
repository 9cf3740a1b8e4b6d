// SPDX-License-Identifier: Apache-2.0
import { build, type Metafile, type Plugin } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { isBuiltin } from 'node:module';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
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
  supervisor: 'src/bin/supervisor.ts',
  notary: 'src/bin/notary.ts',
  cli: 'src/bin/cli.ts',
  'node-init': 'src/build/image/node-init.ts',
} as const;

/** What modules import from the package, beside the programs of `npm run build`. */
export const LIBRARIES = { client: 'src/client/index.ts' } as const;

/** ES modules have no `require`; the CommonJS packages inside a bundle, and pkcs11.node, need one. */
const BANNER = [
  "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);",
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

/** One finished bundle. */
export interface Bundle {
  readonly name: string;
  readonly file: string;
  /** What is read at start: the bundle and its chunks, without those that are imported on demand. */
  readonly bytes: number;
  /** Minified bytes in it by npm package; Keystead's own code counts as `keystead`. Largest first. */
  readonly packages: readonly (readonly [name: string, bytes: number])[];
}

/** Bundles every program whose entry exists into `outDir`, with the native modules beside them. */
export async function bundlePrograms(
  outDir: string = OUT_DIR,
  entries: Readonly<Record<string, string>> = PROGRAMS,
): Promise<Bundle[]> {
  const programs = Object.entries(entries).filter(([, entry]) => existsSync(resolve(ROOT, entry)));
  await mkdir(outDir, { recursive: true });
  const work = await mkdtemp(join(outDir, '.building-'));
  try {
    await copyFile(koffiBinary(), join(work, koffiFile(`linux-${process.arch}`)));
    const bundles = await Promise.all(programs.map(([name, entry]) => bundleProgram(name, entry, work)));
    await replaceFiles(work, outDir);
    return bundles.map((bundle) => ({ ...bundle, file: join(outDir, basename(bundle.file)) }));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves the files over those of the last build, one by one, so that who reads meanwhile finds old or new, never none. */
async function replaceFiles(from: string, to: string): Promise<void> {
  const made = await readdir(from);
  for (const name of made) await rename(join(from, name), join(to, name));
  const stale = (await readdir(to)).filter((name) => /\.(mjs|node)$/.test(name) && !made.includes(name));
  for (const name of stale) await rm(join(to, name), { force: true });
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
    // Names stay as they are: stack traces of the trusted core can be read, and no function has to be told its name each
    // time that it is made, which costs a twentieth of the notary's time.
    minifySyntax: true,
    minifyWhitespace: true,
    // What is imported on demand (client-node, for a developer's kubeconfig) becomes a file of its own that a pod never
    // reads. Chunks stay in one folder with the bundle, since native modules are found relative to the file.
    splitting: true,
    chunkNames: `${name}-[hash]`,
    legalComments: 'none',
    banner: { js: BANNER },
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    metafile: true,
    plugins: [koffiBeside, builtinsAsTheyAre],
    logLevel: 'warning',
    // Speed-ups of ws that it tries to load and does without.
    external: ['bufferutil', 'utf-8-validate'],
  });
  const outputs = loadedAtStart(result.metafile, `${name}.mjs`);
  const bytes = outputs.reduce((sum, output) => sum + output.bytes, 0);
  return { name, file: join(outDir, `${name}.mjs`), bytes, packages: packagesOf(outputs) };
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

/**
 * An import statement has Node read every export of a built-in module, for the names that ES modules bind; of `node:http`
 * those of a whole HTTP client (undici) for the browser's `WebSocket`: a fifth of the agent's start, and of no use here.
 */
const builtinsAsTheyAre: Plugin = {
  name: 'builtins-as-they-are',
  setup(esbuild) {
    esbuild.onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    );
    esbuild.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
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

/** Writes the declarations of the libraries, for modules in TypeScript. */
function declareLibraries(): void {
  const arguments_ = ['--project', join(ROOT, 'tsconfig.client.json')];
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), arguments_, { stdio: 'inherit' });
}

type Output = Metafile['outputs'][string];

/** The bundle itself and the chunks that it imports unconditionally; of the notary, whose threads import theirs, all. */
function loadedAtStart({ outputs }: Metafile, entryName: string): Output[] {
  const always = entryName === 'notary.mjs' ? ['import-statement', 'dynamic-import'] : ['import-statement'];
  const waiting = Object.keys(outputs).filter((path) => basename(path) === entryName);
  const loaded = new Map<string, Output>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const output = outputs[path];
    if (!output || loaded.has(path)) continue;
    loaded.set(path, output);
    waiting.push(...output.imports.filter(({ kind }) => always.includes(kind)).map((used) => used.path));
  }
  return [...loaded.values()];
}

function packagesOf(outputs: readonly Output[]): [string, number][] {
  const sums = new Map<string, number>();
  for (const [path, { bytesInOutput }] of outputs.flatMap(({ inputs }) => Object.entries(inputs))) {
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
  console.log(describeBundles(await bundlePrograms(OUT_DIR, { ...PROGRAMS, ...LIBRARIES })));
  declareLibraries();
  console.log(`\n${copied} CRDs copied into the chart; bundles are in ${OUT_DIR}`);
}
