// SPDX-License-Identifier: Apache-2.0
import { access, rm, writeFile } from 'node:fs/promises';
import { CommandError, run } from './command.ts';
import { LabError } from './lab-error.ts';
import type { Progress } from './progress.ts';

const POLICY = '/usr/sbin/policy-rc.d';
/** Has apt-get wait while another one works, as for the lab beside this one; seconds. */
export const APT_WAITS = ['-o', 'DPkg::Lock::Timeout=300'] as const;

/** Those of the Debian packages that are not installed. Throws LabError where there is no dpkg. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  const listed = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Abbrev}\n']).catch((error: unknown) => {
    throw new LabError(
      'the lab needs Debian or a relative of it: there is no dpkg-query',
      'Run it in a Debian 12 (or newer) machine, or use your own cluster with --use-cluster.',
      { cause: error },
    );
  });
  const installed = new Set(
    listed
      .split('\n')
      .filter((line) => line.endsWith(' ii '))
      .map((line) => line.slice(0, line.indexOf(' '))),
  );
  return names.filter((name) => !installed.has(name));
}

/**
 * Installs the packages. Starts no service (a policy file holds them back for the time), removes no package and
 * recommends none. Throws LabError with apt's own words when it cannot.
 */
export async function installPackages(names: readonly string[], progress: Progress): Promise<void> {
  if (names.length === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const install = [...APT_WAITS, 'install', '-y', '--no-install-recommends', '--no-remove', ...names];
  try {
    if (!(await run('apt-get', ['-s', ...install], { env }).then(Boolean, () => false))) {
      await progress.step('apt-get update', 'under a minute', () => run('apt-get', ['update'], { env }));
      await run('apt-get', ['-s', ...install], { env });
    }
    const title = `apt-get install ${names.join(' ')}`;
    await progress.step(title, 'about a minute', () => withoutServices(() => run('apt-get', install, { env })));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new LabError(
      `Debian packages are missing and apt cannot install them: ${names.join(' ')}\n${error.message}`,
      `Put right what apt says above, or install them yourself: apt-get install ${names.join(' ')}`,
      { cause: error },
    );
  }
}

/** invoke-rc.d asks the policy file before it starts a package's service; 101 means no. A host's own file stays as it is. */
async function withoutServices<T>(work: () => Promise<T>): Promise<T> {
  const exists = await access(POLICY).then(
    () => true,
    () => false,
  );
  if (exists) return work();
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return await work();
  } finally {
    await rm(POLICY, { force: true });
  }
}
