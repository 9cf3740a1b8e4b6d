// SPDX-License-Identifier: Apache-2.0
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
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the program's name in brackets and may hold anything; flags are the seventh after it.
  const flags = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[6]);
  return (flags & FORKED_NOT_EXECUTED) === 0;
}

/**
 * Waits until a container's first process executes its own program: runtimes tell of a start a moment before that.
 * Returns early when the process is gone, `limit` milliseconds have passed or `signal` aborts.
 */
export async function untilExecuted(pid: number, limit: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + limit;
  while ((await hasExecuted(pid)) === false && performance.now() < end && !signal.aborted) await pause(POLL_MS, signal);
}
