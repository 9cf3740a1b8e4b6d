// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, readlink, statfs } from 'node:fs/promises';
import { basename } from 'node:path';
import { missingComponents } from './build.ts';
import { cgroupLayout } from './cgroups.ts';
import { run } from './command.ts';
import { LabError } from './lab-error.ts';
import { checkSubnetFree } from './network.ts';
import { missingPackages } from './packages.ts';
import { NODE_NAME, type LabSettings, type RuntimeChoice } from './settings.ts';
import { BUILD_PACKAGES, MINIMUM_GO, OLD_NODE_PACKAGES, RUNTIME_PACKAGES } from './versions.ts';

/** Room for Go's caches and the programs of a first build, and for images and pods of a lab. */
const BUILD_BYTES = 12e9;
const LAB_BYTES = 2e9;

/** Throws LabError unless this process may make a lab here. Needed before anything else looks at the machine. */
export function checkRoot(): void {
  if (process.platform !== 'linux') {
    throw new LabError(`the lab needs Linux, this is ${process.platform}`, 'Run it in a Linux virtual machine.');
  }
  if (process.getuid?.() !== 0) {
    throw new LabError(
      'the lab needs root: it runs a kubelet and a container runtime',
      'Run the same command as root, for example with sudo -E.',
    );
  }
}

/** What must be fetched or built before the lab can start. */
export interface Preparation {
  readonly packages: readonly string[];
}

/** Checks everything that can be checked before anything is started or installed. Throws LabError for the first that is wrong. */
export async function checkMachine(settings: LabSettings, choice: RuntimeChoice): Promise<Preparation> {
  checkRoot();
  await cgroupLayout();
  const building = (await missingComponents(settings)).length > 0;
  if (building) await checkGo();
  const packages = await missingPackages([
    ...RUNTIME_PACKAGES,
    ...(building ? BUILD_PACKAGES : []),
    ...(choice === 'debian' ? OLD_NODE_PACKAGES : []),
  ]);
  await checkFileSystem('overlay');
  await checkKubelets();
  await checkRoom(settings, building);
  // Without iproute2 there is no telling yet; the check runs again when the package is there.
  if (!packages.includes('iproute2')) await checkSubnetFree(settings);
  return { packages };
}

async function checkGo(): Promise<void> {
  const remedy = `Install Go ${MINIMUM_GO} or newer from https://go.dev/dl/ and put it on PATH.`;
  const version = await run('go', ['env', 'GOVERSION']).catch((error: unknown) => {
    throw new LabError('components must be built first, and there is no Go on PATH', remedy, { cause: error });
  });
  const found = version.trim().replace(/^go/, '');
  if (isOlder(found, MINIMUM_GO))
    throw new LabError(`components must be built first, and Go ${found} is too old`, remedy);
}

function isOlder(found: string, needed: string): boolean {
  const parts = (text: string) => text.split('.').map((part) => parseInt(part, 10));
  const have = parts(found);
  for (const [index, part] of parts(needed).entries()) {
    const difference = (have[index] ?? 0) - part;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

async function checkFileSystem(name: string): Promise<void> {
  const known = await readFile('/proc/filesystems', 'utf8');
  if (known.split(/\s+/).includes(name)) return;
  await run('modprobe', [name]).catch((error: unknown) => {
    throw new LabError(
      `the kernel has no ${name} file system`,
      `Load it with modprobe ${name}, or take a kernel that has it.`,
      { cause: error },
    );
  });
}

/** Two kubelets share folders with fixed names (device plugins); a machine that is a node already needs no lab. Other labs do no harm. */
async function checkKubelets(): Promise<void> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const name = basename((await readlink(`/proc/${pid}/exe`).catch(() => '')).replace(/ \(deleted\)$/, ''));
    if (name !== 'kubelet' && name !== 'k3s') continue;
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(`\0--hostname-override=${NODE_NAME}`)) continue;
    throw new LabError(
      `a Kubernetes node runs on this machine already: ${name}, process ${pid}`,
      'Use its cluster (--use-cluster, with KUBECONFIG), or stop it, or take another machine.',
    );
  }
}

async function checkRoom(settings: LabSettings, building: boolean): Promise<void> {
  const needed = building ? BUILD_BYTES : LAB_BYTES;
  const { bavail, bsize } = await statfs('/var/lib');
  if (bavail * bsize >= needed) return;
  throw new LabError(
    `${Math.round((bavail * bsize) / 1e9)} GB are free, the lab needs ${needed / 1e9} GB`,
    `Make room, or put the lab (KEYSTEAD_LAB_DIR, now ${settings.dir}) and the caches (XDG_CACHE_HOME) on a larger disk.`,
  );
}
