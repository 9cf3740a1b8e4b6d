// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';

export interface BackOffOptions {
  /** First and largest wait in milliseconds. */
  readonly first: number;
  readonly max: number;
}

/**
 * Runs `attempt` again and again until `signal` aborts. `attempt` returns (or throws) when a connection is over and says
 * how long it was good for, in milliseconds: after one that held longer than the largest wait the next attempt comes at
 * once, otherwise the wait doubles. A fifth of each wait is random, so that a fleet's agents do not knock together.
 */
export async function repeat(
  attempt: () => Promise<number>,
  options: BackOffOptions,
  signal: AbortSignal,
): Promise<void> {
  let wait = 0;
  while (!signal.aborted) {
    const good = await attempt();
    wait = good > options.max ? 0 : wait;
    // A new reading: the signal may have aborted during the attempt.
    if (isAborted(signal)) return;
    await pause(wait * (0.8 + Math.random() * 0.2), signal);
    wait = Math.min(Math.max(options.first, wait * 2), options.max);
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Waits; returns early, without an error, when `signal` aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch {
    // Aborted: the caller looks at the signal.
  }
}
