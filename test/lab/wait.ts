// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { logFile, runningDaemon } from './daemon.ts';
import { LabError } from './lab-error.ts';
import type { LabSettings } from './settings.ts';

const POLL_MS = 50;
const LOG_LINES = 15;

/** What is waited for, and which daemons must live on meanwhile. */
export interface Awaited {
  readonly what: string;
  readonly daemons: readonly string[];
  readonly check: () => Promise<boolean>;
  readonly timeoutMs: number;
}

/** Resolves when the check holds. Throws LabError with the end of the logs when a daemon dies or time runs out. */
export async function waitFor(settings: LabSettings, { what, daemons, check, timeoutMs }: Awaited): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    for (const name of daemons) {
      if (await runningDaemon(settings, name)) continue;
      throw new LabError(`${name} ended while the lab waited for ${what}`, await remedy(settings, [name]));
    }
    if (performance.now() > deadline) {
      throw new LabError(`no ${what} within ${timeoutMs / 1000} s`, await remedy(settings, daemons));
    }
    await sleep(POLL_MS);
  }
}

async function remedy(settings: LabSettings, daemons: readonly string[]): Promise<string> {
  const parts = daemons.map(async (name) => {
    const file = logFile(settings, name);
    const text = await readFile(file, 'utf8').catch(() => '');
    return `The end of ${file}:\n${text.trimEnd().split('\n').slice(-LOG_LINES).join('\n')}`;
  });
  return `${(await Promise.all(parts)).join('\n')}\nPut right what it says and run the same command again, or start anew with: npm run lab -- down`;
}
