// SPDX-License-Identifier: Apache-2.0
import { access, lstat, readdir, readFile, readlink, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerdSocket } from './containerd.ts';
import type { LabSettings } from './settings.ts';

/** What the host was like before the lab. */
interface HostRecord {
  readonly sysctls: Readonly<Record<string, string>>;
  readonly absent: readonly string[];
}

/** Kernel settings that every kubelet changes when it starts. */
const SYSCTLS = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

/** Folders with a fixed name that kubelet, containerd and the CNI library make outside the lab's, inner ones first. */
const FOLDERS = [
  '/run/containerd/s',
  '/run/containerd',
  '/var/lib/cni/results',
  '/var/lib/cni',
  '/var/lib/kubelet/device-plugins',
  '/var/lib/kubelet',
  '/var/log/containers',
];

/** Notes what kubelet and containerd are going to touch although they have folders of their own. The first note counts. */
export async function recordHost(settings: LabSettings): Promise<void> {
  if (await readRecord(settings)) return;
  const sysctls: Record<string, string> = {};
  for (const name of SYSCTLS) {
    const value = await readFile(join('/proc/sys', name), 'utf8').catch(() => undefined);
    if (value !== undefined) sysctls[name] = value.trim();
  }
  const absent: string[] = [];
  for (const folder of FOLDERS) await access(folder).catch(() => absent.push(folder));
  await writeFile(recordFile(settings), JSON.stringify({ sysctls, absent } satisfies HostRecord));
}

/** Puts the host back as it was. Leaves whatever another container runtime has in the same folders. */
export async function restoreHost(settings: LabSettings): Promise<void> {
  await removeEntries('/var/log/containers', async (path) => (await readlink(path)).startsWith(`${settings.dir}/`));
  await removeEntries('/var/lib/cni/results', (path) => Promise.resolve(path.includes(`/${settings.cgroup.slice(1)}-`)));
  await removeEntries('/run/containerd/s', shimSocketOf(settings));
  const record = await readRecord(settings);
  if (!record) return;
  if (record.absent.includes('/var/lib/kubelet')) await rm('/var/lib/kubelet/device-plugins', { recursive: true, force: true });
  for (const folder of record.absent) await rmdir(folder).catch(() => undefined);
  for (const [name, value] of Object.entries(record.sysctls)) {
    await writeFile(join('/proc/sys', name), value).catch(() => undefined);
  }
}

/** A shim's socket has a hashed name; once the lab's shims are gone, a socket that nobody listens on is left over. */
function shimSocketOf(settings: LabSettings): (path: string) => Promise<boolean> {
  const listening = readFile('/proc/net/unix', 'utf8').then((table) => new Set(table.split('\n').map((line) => line.split(' ').at(-1))));
  void containerdSocket(settings);
  return async (path) => (await lstat(path)).isSocket() && !(await listening).has(path);
}

async function removeEntries(folder: string, ours: (path: string) => Promise<boolean>): Promise<void> {
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const path = join(folder, name);
    if (await ours(path).catch(() => false)) await rm(path, { force: true });
  }
}

async function readRecord(settings: LabSettings): Promise<HostRecord | undefined> {
  const text = await readFile(recordFile(settings), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as HostRecord);
}

function recordFile({ dir }: LabSettings): string {
  return join(dir, 'host.json');
}
