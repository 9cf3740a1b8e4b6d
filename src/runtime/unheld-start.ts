// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { openPidfd } from '../os/pidfd.ts';
import { parseStat } from '../os/proc-format.ts';
import { ProcessGone, readProc } from '../os/proc.ts';

/** USER_HZ, which is 100 on every architecture that Linux runs Node.js on. */
const TICKS_PER_SECOND = 100;

/**
 * Ends a container's first process, and with it the container, where it was started after `since` (seconds after the boot) and is
 * one that `isOfContainer` knows. Gives whether it has.
 */
export function endUnheld(pid: number, since: number, isOfContainer: (pid: number) => boolean): boolean {
  using first = openPidfd(pid);
  // With a handle on it: from then on the pid cannot become another's unnoticed.
  if (!first || startedAt(pid) < since || !isOfContainer(pid)) return false;
  return first.signal(constants.signals.SIGKILL);
}

/** Seconds after the boot; 0 where it is gone. */
function startedAt(pid: number): number {
  try {
    return Number(parseStat(readProc(pid, 'stat')).startTime) / TICKS_PER_SECOND;
  } catch (error) {
    if (error instanceof ProcessGone) return 0;
    throw error;
  }
}
