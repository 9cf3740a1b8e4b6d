// SPDX-License-Identifier: Apache-2.0
import type { Dirent } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LabError } from './lab-error.ts';

/** How the host has its control groups mounted. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** Every hierarchy's mount point. */
  readonly mounts: readonly string[];
  readonly controllers: ReadonlySet<string>;
}

const NEEDED = ['cpu', 'cpuset', 'memory', 'pids'];
const NEEDED_ON_V1 = [...NEEDED, 'blkio', 'cpuacct', 'devices', 'freezer'];

/** Reads the mount table. Throws LabError when what a kubelet needs is not there. */
export async function cgroupLayout(): Promise<CgroupLayout> {
  const entries = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [type = '', , options = ''] = right.split(' ');
    return { target: left.split(' ')[4] ?? '', type, options };
  });
  const v1 = entries.filter(({ type }) => type === 'cgroup');
  const v2 = entries.filter(({ type }) => type === 'cgroup2');
  const mounts = [...v1, ...v2].map(({ target }) => target);
  const controllers = new Set(
    v1.length > 0
      ? v1.flatMap(({ options }) => options.split(','))
      : (await readFile(join(mounts[0] ?? '/', 'cgroup.controllers'), 'utf8').catch(() => '')).trim().split(' '),
  );
  const missing = (v1.length > 0 ? NEEDED_ON_V1 : NEEDED).filter((name) => !controllers.has(name));
  if (missing.length > 0) {
    throw new LabError(
      `control groups are missing: ${missing.join(', ')}`,
      'Mount them (systemd does; without it: mount -t cgroup2 none /sys/fs/cgroup), or run the lab in a virtual machine rather than in a container.',
    );
  }
  return { version: v1.length > 0 ? 1 : 2, mounts, controllers };
}

/** Makes the parent group of the lab's pods in every hierarchy. Idempotent. */
export async function makeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  for (const mount of layout.mounts) {
    if (layout.version === 2) await delegate(layout, mount);
    await mkdir(join(mount, path), { recursive: true });
    if (layout.version === 2) await delegate(layout, join(mount, path));
  }
}

async function delegate(layout: CgroupLayout, group: string): Promise<void> {
  for (const name of layout.controllers) {
    // A controller that cannot be handed down (rdma, misc on some kernels) is one that the kubelet does not need.
    await writeFile(join(group, 'cgroup.subtree_control'), `+${name}`).catch(() => undefined);
  }
}

/** Ids of all processes in the group and below it. */
export async function processesIn(layout: CgroupLayout, path: string): Promise<number[]> {
  const pids = new Set<number>();
  for (const group of await groupsBelow(layout, path)) {
    const text = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  return [...pids];
}

/** Removes the group and those below it; those that still hold a process stay. */
export async function removeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  for (const group of (await groupsBelow(layout, path)).reverse()) await rmdir(group).catch(() => undefined);
}

async function groupsBelow(layout: CgroupLayout, path: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (group: string): Promise<void> => {
    const entries = await readdir(group, { withFileTypes: true }).catch((): Dirent[] | undefined => undefined);
    if (!entries) return;
    found.push(group);
    for (const entry of entries) if (entry.isDirectory()) await visit(join(group, entry.name));
  };
  for (const mount of layout.mounts) await visit(join(mount, path));
  return found;
}
