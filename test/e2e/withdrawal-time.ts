// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../quickstart/kubectl.ts';
import { processesOfPod } from './pod-processes.ts';

const POLL_MS = 3;
/** The kernel tells start times in units of 10 ms. */
const TICKS_PER_SECOND = 100;

/** Where the node keeps a pod's identity volume: there also after the pod's processes have ended. */
export function volumeOf(kubeletRoot: string, podUid: string): string {
  return join(kubeletRoot, 'pods', podUid, 'volumes/kubernetes.io~csi/identity/mount');
}

/** Seconds since the boot at which the certificate was gone from the volume. Throws after half a minute. */
export async function certificateGone(volume: string): Promise<number> {
  const deadline = performance.now() + 30_000;
  while (existsSync(join(volume, 'tls.crt'))) {
    if (performance.now() > deadline) throw new Error('tls.crt lies in the volume after 30 s still');
    await sleep(POLL_MS);
  }
  return uptime();
}

/** Milliseconds from a trigger to the absence of the certificate. The trigger resolves with when it was, in seconds since the boot. */
export async function msUntilWithdrawn(volume: string, trigger: () => Promise<number>): Promise<number> {
  if (!existsSync(join(volume, 'tls.crt'))) throw new Error('there is no tls.crt to be withdrawn');
  const gone = certificateGone(volume);
  const [goneAt, at] = await Promise.all([gone, trigger()]);
  return Math.round((goneAt - at) * 1000);
}

/** When a process of a pod was started whose command line is this one, in seconds since the boot; waits for it. */
export async function processStarted(podUid: string, commandLine: string): Promise<number> {
  const { at } = await until(`a process ${commandLine}`, 30, () => {
    const pid = processesOfPod(podUid).find(
      (each) => read(each, 'cmdline').replaceAll('\0', ' ').trim() === commandLine,
    );
    if (pid === undefined) return Promise.resolve('none');
    const fields = read(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
    return Promise.resolve({ at: Number(fields[19]) / TICKS_PER_SECOND });
  });
  return at;
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
