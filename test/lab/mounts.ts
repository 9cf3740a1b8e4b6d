// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { run, succeeds } from './command.ts';
import type { LabSettings } from './settings.ts';

/**
 * Makes the lab's folder a shared mount, so that a mount made by a CSI driver in a pod reaches the kubelet and the host,
 * also where the root file system is mounted private; and a tmpfs for what must not outlive a reboot. Idempotent.
 */
export async function mountLab(settings: LabSettings): Promise<void> {
  const mounted = new Set(await mountsBelow(settings.dir));
  if (!mounted.has(settings.dir)) await run('mount', ['--bind', settings.dir, settings.dir]);
  await run('mount', ['--make-rshared', settings.dir]);
  if (!mounted.has(settings.runDir)) {
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=0755,size=64m', 'keystead-lab', settings.runDir]);
  }
}

/** Unmounts everything at and below the folder, last mounted first, however deep. Harmless when nothing is mounted. */
export async function unmountBelow(dir: string): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const targets = (await mountsBelow(dir)).reverse();
    if (targets.length === 0) return;
    for (const target of targets) {
      if (!(await succeeds('umount', [target]))) await succeeds('umount', ['-l', target]);
    }
  }
}

/** Mount points at and below the folder in the order of mounting; one that is mounted over appears once for each mount. */
export async function mountsBelow(dir: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((target) => target.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
    .filter((target) => target === dir || target.startsWith(`${dir}/`));
}
