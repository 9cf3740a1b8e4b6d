// SPDX-License-Identifier: Apache-2.0
import { access, chmod, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CommandError, run } from './command.ts';
import { COMPONENTS, componentDir, type Component } from './components.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import type { Progress } from './progress.ts';
import type { LabSettings } from './settings.ts';

/** The components whose cache folder does not exist yet. */
export async function missingComponents(settings: LabSettings): Promise<Component[]> {
  const missing: Component[] = [];
  for (const component of COMPONENTS) {
    const present = await access(componentDir(settings, component)).then(
      () => true,
      () => false,
    );
    if (!present) missing.push(component);
  }
  return missing;
}

/**
 * Builds what the cache lacks. A folder appears in the cache only when it is complete, so an interrupted build leaves
 * nothing half done.
 */
export async function buildComponents(settings: LabSettings, progress: Progress): Promise<void> {
  if ((await missingComponents(settings)).length === 0) return;
  await mkdir(dirname(settings.cacheDir), { recursive: true });
  // Another lab may be about to build the same.
  await withLock({ dir: settings.cacheDir }, progress, () => buildMissing(settings, progress));
}

async function buildMissing(settings: LabSettings, progress: Progress): Promise<void> {
  const missing = await missingComponents(settings);
  if (missing.length === 0) return;
  const minutes = Math.ceil(missing.reduce((sum, component) => sum + component.minutes, 0));
  progress.say(
    `building ${missing.length} components from source, about ${minutes} min on 2 cores; later runs take them from ${settings.cacheDir}`,
  );
  await mkdir(settings.cacheDir, { recursive: true });
  for (const [index, component] of missing.entries()) {
    const title = `build ${index + 1} of ${missing.length}: ${component.name} ${component.version}`;
    await progress.step(title, `expected ${component.minutes} min`, () => build(settings, component));
  }
}

async function build(settings: LabSettings, component: Component): Promise<void> {
  const module = join(import.meta.dirname, 'go', component.module);
  await checkPin(module, component);
  const target = await mkdtemp(join(settings.cacheDir, '.building-'));
  try {
    await run('go', buildArguments(component, target), { cwd: module, env: buildEnvironment(component) });
    await chmod(target, 0o755);
    await rename(target, componentDir(settings, component)).catch((error: unknown) => {
      if (!['EEXIST', 'ENOTEMPTY'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new LabError(
      `building ${component.name} ${component.version} failed: ${error.message}`,
      'Look at the last lines above. When a download failed, check GOPROXY (go env GOPROXY); then run the same command again, what is built stays built.',
      { cause: error },
    );
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}

function buildArguments(component: Component, target: string): string[] {
  const stamps = Object.entries(component.stamps).map(([name, value]) => `-X ${name}=${value}`);
  return [
    'build',
    '-mod=readonly',
    '-buildvcs=false',
    '-trimpath',
    ...(component.tags.length > 0 ? ['-tags', component.tags.join(',')] : []),
    '-ldflags',
    ['-s', '-w', ...stamps].join(' '),
    '-o',
    `${target}/`,
    ...component.packages,
  ];
}

/** The machine's proxy and caches stay; flags that would change the outcome do not. */
function buildEnvironment(component: Component): NodeJS.ProcessEnv {
  return { ...process.env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: component.cgo ? '1' : '0' };
}

async function checkPin(module: string, component: Component): Promise<void> {
  const file = join(module, 'go.mod');
  const text = await readFile(file, 'utf8');
  if (!text.includes(`${component.source} v${component.version}\n`)) {
    throw new LabError(
      `test/lab/go/${basename(module)}/go.mod does not require ${component.source} v${component.version}`,
      'Bring go.mod and test/lab/versions.ts to the same version, then `go mod tidy` in that folder.',
    );
  }
}
