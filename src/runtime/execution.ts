// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { pause } from './back-off.ts';

/**
 * Task flag "forked but did not exec" (linux/sched.h, PF_FORKNOEXEC). The runtime's helper (runc, crun) forks a container's
 * first process and does the rest of its work in it; execve of the container's own program clears the flag for good,
 * after the executable has been exchanged. No program can set it on itself.
 */
const FORKED_NOT_EXECUTED = 0x40;

const POLL_MS = 1;

/**
 * Whether a container's first process executes its own program: false while it is still the runtime's helper, undefined
 * where it is gone.
 */
export async function hasExecuted(pid: number): Promise<boolean | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  return stat === undefined ? undefined : !isForkedOnly(stat);
}

/** The state (proc_pid_stat(5), one letter) of such a helper; undefined where the process is none any more, or gone. */
export function helperState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return isForkedOnly(stat) ? fieldsOf(stat)[0] : undefined;
  } catch {
    return undefined;
  }
}

function isForkedOnly(stat: string): boolean {
  // Flags are the seventh field after the name.
  return (Number(fieldsOf(stat)[6]) & FORKED_NOT_EXECUTED) !== 0;
}

/** Fields after the second, which is the program's name in brackets and may hold anything. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/**
 * Waits until a container's first process executes its own program: runtimes tell of a start a moment before that.
 * Returns early when the process is gone, `limit` milliseconds have passed or `signal` aborts.
 */
export async function untilExecuted(pid: number, limit: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + limit;
  while ((await hasExecuted(pid)) === false && performance.now() < end && !signal.aborted) await pause(POLL_MS, signal);
}
