// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeImage, type Image } from './image.ts';
import { packLayer, type Layer } from './layer.ts';
import { sharedLibraries, type SharedLibrary } from './shared-libraries.ts';
import type { TarEntry } from './tar.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NODE = join(ROOT, 'node_modules/node/bin/node');
const SOFTHSM = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm2.so'];

/** Users of the product image. The chart names the same numbers. */
export const CONTROLLER_UID = 64645;
export const NOTARY_UID = 64646;

/** Where things are in the image. */
export const IMAGE_PATHS = {
  node: '/usr/local/bin/node',
  programs: '/opt/keystead',
  softhsm: '/usr/lib/softhsm/libsofthsm2.so',
} as const;

/**
 * Node.js with the shared libraries that it needs, and nothing else: no shell, no package manager. The sample modules
 * stand on the same layer, so that a registry and a node hold it once.
 */
export async function baseLayer(): Promise<Layer> {
  return packLayer([...(await baseEntries()), ...accounts()]);
}

/** The product image: base, SoftHSM2 for tests and demonstrations, the bundles. */
export async function productImage(outDir: string, version: string): Promise<Image> {
  const base = await baseEntries();
  const layers = [
    await baseLayer(),
    await packLayer(await softhsmEntries(base)),
    await packLayer(await programs(outDir)),
  ];
  return makeImage(layers, {
    entrypoint: [IMAGE_PATHS.node],
    workingDir: IMAGE_PATHS.programs,
    user: `${CONTROLLER_UID}:${CONTROLLER_UID}`,
    env: ['NODE_ENV=production'],
    labels: {
      'org.opencontainers.image.title': 'keystead',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
  });
}

/** `version` of package.json. */
export async function productVersion(): Promise<string> {
  return (JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

async function baseEntries(): Promise<TarEntry[]> {
  const needed = [NODE, join(ROOT, 'node_modules/pkcs11js/build/Release/pkcs11.node')];
  return [
    await copied(IMAGE_PATHS.node.slice(1), NODE, 0o755),
    ...(await libraries(await sharedLibraries(needed))),
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
  ];
}

function accounts(): TarEntry[] {
  const users: [string, number][] = [
    ['root', 0],
    ['keystead', CONTROLLER_UID],
    ['keystead-notary', NOTARY_UID],
    ['module', 65532],
  ];
  const text = (path: string, line: (name: string, id: number) => string): TarEntry => {
    return {
      kind: 'file',
      path,
      mode: 0o644,
      content: Buffer.from(users.map(([name, id]) => `${line(name, id)}\n`).join('')),
    };
  };
  return [
    text('etc/passwd', (name, id) => `${name}:x:${id}:${id}::/:/nonexistent`),
    text('etc/group', (name, id) => `${name}:x:${id}:`),
  ];
}

async function softhsmEntries(base: readonly TarEntry[]): Promise<TarEntry[]> {
  const library = SOFTHSM.find((path) => existsSync(path));
  if (!library)
    throw new Error('libsofthsm2.so is not on this machine: install the package softhsm2, then build again');
  const present = new Set(base.map(({ path }) => path));
  const more = await libraries(await sharedLibraries([library]));
  return [await copied(IMAGE_PATHS.softhsm.slice(1), library, 0o755), ...more.filter(({ path }) => !present.has(path))];
}

async function programs(outDir: string): Promise<TarEntry[]> {
  const names = (await readdir(outDir)).filter((name) => /\.(mjs|node)$/.test(name));
  return Promise.all(
    names.map(async (name): Promise<TarEntry> => {
      // Read here, not by path: bundles are rebuilt all the time, and the same bytes shall be the same layer.
      const content = await readFile(join(outDir, name));
      return { kind: 'file', path: `${IMAGE_PATHS.programs.slice(1)}/${name}`, mode: 0o644, content };
    }),
  );
}

function libraries(found: readonly SharedLibrary[]): Promise<TarEntry[]> {
  return Promise.all(found.map(({ path, source }) => copied(path.slice(1), source, 0o755)));
}

async function copied(path: string, source: string, mode: number): Promise<TarEntry> {
  return { kind: 'file', path, mode, content: { source, size: (await stat(source)).size } };
}
