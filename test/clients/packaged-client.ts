// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { sharedLibraries } from '../../src/build/image/shared-libraries.ts';
import { layerCacheDir, packLayer, type Layer } from '../../src/build/image/layer.ts';
import type { TarEntry } from '../../src/build/image/tar.ts';

/** Whether a program is there that not every machine has, by asking it for its version. */
export function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What is left out of a layer: nothing runs it, and it is most of the files. */
const NEEDLESS =
  /\.(md|map|ts|mts|cts|html|pyc|exe|a)$|\/(__pycache__|tests?|idlelib|lib2to3|ensurepip|turtledemo|pydoc_data|config-3[^/]*)\//;

/**
 * The npm packages that a folder's lock file names, exactly as published, installed once for each lock file and packed as
 * `/app/node_modules`.
 */
export async function npmLayer(folder: string): Promise<Layer> {
  const installed = installedOnce(folder, ['package-lock.json'], (target) => {
    for (const name of ['package.json', 'package-lock.json']) {
      execFileSync('cp', [join(folder, name), target]);
    }
    execFileSync('npm', ['ci', '--ignore-scripts', '--omit=dev', '--no-audit', '--no-fund'], { cwd: target });
  });
  return packLayer(filesBelow(join(installed, 'node_modules'), 'app/node_modules'));
}

/** The Python packages of a folder's requirements.txt, as published, as `/app/packages`, and what they need of this machine. */
export async function pipLayer(folder: string): Promise<Layer> {
  const installed = installedOnce(folder, ['requirements.txt'], (target) => {
    const requirements = join(folder, 'requirements.txt');
    const options = ['--quiet', '--no-compile', '--disable-pip-version-check', '--root-user-action=ignore'];
    execFileSync(PYTHON, ['-m', 'pip', 'install', ...options, '--target', target, '-r', requirements]);
  });
  const extensions = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.so'),
  );
  const system = await libraries(extensions.map((name) => join(installed, name)));
  const outside = system.filter(({ path }) => !path.startsWith(installed.slice(1)));
  return packLayer([...filesBelow(installed, 'app/packages'), ...outside]);
}

const PYTHON = '/usr/bin/python3';
const STANDARD_LIBRARY = '/usr/lib/python3.11';

/** Debian's Python with its standard library and the shared libraries that both need. */
export async function pythonLayer(): Promise<Layer> {
  const program = '/usr/bin/python3.11';
  const library = filesBelow(STANDARD_LIBRARY, STANDARD_LIBRARY.slice(1));
  const extensions = library.filter(({ path }) => path.endsWith('.so')).map(({ path }) => `/${path}`);
  const link: TarEntry = { kind: 'symlink', path: 'usr/bin/python3', mode: 0o777, target: basename(program) };
  return packLayer([link, file(program.slice(1), program), ...library, ...(await libraries([program, ...extensions]))]);
}

/** A program of this machine with the shared libraries that it needs. */
export async function programLayer(program: string): Promise<Layer> {
  return packLayer([file(program.slice(1), program), ...(await libraries([program]))]);
}

/** What ELF files need of this machine's shared libraries. */
export async function libraries(of: readonly string[]): Promise<TarEntry[]> {
  return (await sharedLibraries(of)).map(({ path, source }) => file(path.slice(1), source));
}

/** A folder in the cache that holds what `install` puts there; made anew when one of the files that it is made of changes. */
export function installedOnce(folder: string, of: readonly string[], install: (target: string) => void): string {
  const hash = createHash('sha256');
  for (const name of of) hash.update(name).update(readFileSync(join(folder, name)));
  const target = join(layerCacheDir(), '../clients', `${basename(folder)}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  try {
    mkdirSync(partial, { recursive: true });
    install(partial);
    renameSync(partial, target);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return target;
}

/** The files in a folder, those aside that no program needs. */
export function filesBelow(folder: string, under: string): TarEntry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !NEEDLESS.test(path))
    .map((path) => file(join(under, relative(folder, path)), path));
}

/** A file of this machine at a path in the image. */
export function file(path: string, source: string): TarEntry {
  const { size, mode } = statSync(source);
  return { kind: 'file', path, mode: mode & 0o755, content: { source, size } };
}
