// SPDX-License-Identifier: Apache-2.0
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, processStartTime, type ProcessRef } from './daemon.ts';
import type { Progress } from './progress.ts';
import type { LabSettings } from './settings.ts';

/**
 * Runs `work` while no other command changes the same lab, or what another folder holds; waits for one that does. A lock of a
 * dead process does not count.
 */
export async function withLock<T>(
  { dir }: Pick<LabSettings, 'dir'>,
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  const file = `${dir}.lock`;
  let told = false;
  while (!(await take(file))) {
    if (!told) progress.say('another lab command is at work; waiting for it');
    told = true;
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    const own: ProcessRef = { pid: process.pid, startTime: processStartTime(process.pid) ?? '' };
    await handle.writeFile(JSON.stringify(own));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await isStale(file)) await rm(file, { force: true });
    return false;
  }
}

async function isStale(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  try {
    return !isRunning(JSON.parse(text) as ProcessRef);
  } catch {
    // Its owner has made it and is about to write; a owner that died between the two is rare enough for a person.
    return false;
  }
}
