// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupLayout, processesIn, removeCgroup } from './cgroups.ts';
import { containerdSocket } from './containerd.ts';
import { endProcess, processStartTime, stopDaemon } from './daemon.ts';
import { DAEMONS } from './daemons.ts';
import { restoreHost } from './host-traces.ts';
import { LabError } from './lab-error.ts';
import { mountsBelow, unmountBelow } from './mounts.ts';
import { disconnectNetwork } from './network.ts';
import type { Progress } from './progress.ts';
import { SECOND_NODE_DAEMON, secondNodeOutside } from './second-node.ts';
import type { LabSettings } from './settings.ts';

/**
 * Removes the lab: processes, containers, mounts, network, control groups, files. Works from any state, also one that a
 * crash or an earlier failed command has left. Throws LabError when something stays behind.
 */
export async function tearDown(settings: LabSettings, progress: Progress): Promise<void> {
  await cutPower(settings);
  await restoreHost(settings);
  const left = await mountsBelow(settings.dir);
  if (left.length > 0) {
    throw new LabError(
      `still mounted: ${left.join(', ')}`,
      'See who uses it (fuser -vm <mount point>), end that, and run down again.',
    );
  }
  await rm(settings.dir, { recursive: true, force: true });
  progress.say(`the lab in ${settings.dir} is gone`);
}

/**
 * Leaves of the lab what is left of a machine without power: its files on disk. No process is asked to end, and what lies
 * in memory (mounts, control groups, network) is gone. `bringUp` is the boot.
 */
export async function cutPower(settings: LabSettings): Promise<void> {
  await stopDaemon(secondNodeOutside(settings), SECOND_NODE_DAEMON, 0);
  for (const name of DAEMONS) await stopDaemon(settings, name, 0);
  await endMembers(settings);
  await unmountBelow(`${settings.dir}/kubelet`);
  await disconnectNetwork(settings);
  await unmountBelow(settings.dir);
  await removeGroups(settings);
}

/** Ends whatever of the lab still runs: containers may start children until the last of them is dead, so look again. */
async function endMembers(settings: LabSettings): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const pids = await members(settings);
    if (pids.length === 0) return;
    await Promise.all(
      pids.map(async (pid) => {
        const startTime = processStartTime(pid);
        if (startTime !== undefined) await endProcess({ pid, startTime }, 0);
      }),
    );
  }
  const pids = (await members(settings)).join(', ');
  throw new LabError(
    `processes of the lab cannot be ended: ${pids}`,
    'See what they wait for (cat /proc/<pid>/stack), then run down again.',
  );
}

/** Processes that are the lab's own by what the kernel says of them: in its control groups, in its network namespace, or its shims. */
async function members(settings: LabSettings): Promise<number[]> {
  const found = new Set(await processesIn(await cgroupLayout(), settings.cgroup));
  const files = [settings.netns, secondNodeOutside(settings).netns];
  const networks = new Set((await Promise.all(files.map(namespaceOf))).filter((it) => it !== undefined));
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    if (networks.has((await namespaceOf(`/proc/${entry}/ns/net`)) ?? '') || (await isShim(settings, entry)))
      found.add(Number(entry));
  }
  found.delete(process.pid);
  return [...found].filter((pid) => processStartTime(pid) !== undefined);
}

async function isShim(settings: LabSettings, pid: string): Promise<boolean> {
  const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  return basename(program) === 'containerd-shim-runc-v2' && args.includes(containerdSocket(settings));
}

/** Inode of a namespace; undefined when the file is none, which an unmounted one is: it lies on another device than nsfs. */
async function namespaceOf(file: string): Promise<string | undefined> {
  const [own, other] = await Promise.all([stat('/proc/self/ns/net'), stat(file).catch(() => undefined)]);
  return other?.dev === own.dev ? `${other.dev}:${other.ino}` : undefined;
}

async function removeGroups(settings: LabSettings): Promise<void> {
  const layout = await cgroupLayout();
  // A group can be removed only some time after its last process has been reaped.
  for (let round = 0; round < 50; round++) {
    await removeCgroup(layout, settings.cgroup);
    if (
      (
        await Promise.all(layout.mounts.map((mount) => stat(`${mount}${settings.cgroup}`).catch(() => undefined)))
      ).every((it) => !it)
    )
      return;
    await sleep(20);
  }
}
