// SPDX-License-Identifier: Apache-2.0
import { access, readdir, readFile, readlink, rm, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { podNetworkName } from './containerd.ts';
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
  'fs/inotify/max_user_instances',
];

/** Kubelet, containerd and the control plane watch files; the usual 128 do not last for two nodes beside other programs. */
const MINIMUM_INOTIFY_INSTANCES = 1024;

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

/** Raises what a node needs more of than a desktop has. */
export async function prepareHost(): Promise<void> {
  const file = '/proc/sys/fs/inotify/max_user_instances';
  if (Number(await readFile(file, 'utf8')) < MINIMUM_INOTIFY_INSTANCES) {
    await writeFile(file, String(MINIMUM_INOTIFY_INSTANCES));
  }
}

/** Puts the host back as it was. Leaves whatever another container runtime has in the same folders. */
export async function restoreHost(settings: LabSettings): Promise<void> {
  await removeEntries('/var/log/containers', async (path) => (await readlink(path)).startsWith(`${settings.dir}/`));
  await removeNetworkResults(`${podNetworkName(settings)}-`);
  await removeEntries('/run/containerd/s', isDeadSocket);
  const record = await readRecord(settings);
  if (!record) return;
  if (record.absent.includes('/var/lib/kubelet'))
    await rm('/var/lib/kubelet/device-plugins', { recursive: true, force: true });
  for (const folder of record.absent) await rmdir(folder).catch(() => undefined);
  for (const [name, value] of Object.entries(record.sysctls)) {
    await writeFile(join('/proc/sys', name), value).catch(() => undefined);
  }
}

/** The CNI library keeps one file for each network of a pod, `<network>-<sandbox>-<interface>`: ours, and loopback for the same sandbox. */
async function removeNetworkResults(prefix: string): Promise<void> {
  const folder = '/var/lib/cni/results';
  const names = await readdir(folder).catch((): string[] => []);
  const sandboxes = names
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length).split('-')[0] ?? name);
  await removeEntries(folder, (path) => Promise.resolve(sandboxes.some((sandbox) => path.includes(sandbox))));
}

/** A shim's socket has a hashed name: one that refuses connections belongs to a shim that was killed, and is of use to nobody. */
function isDeadSocket(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => resolve(false));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    socket.on('close', () => resolve(false));
    socket.setTimeout(1000, () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
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
