// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';

export interface BackOffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Delay before attempt `failures` + 1: doubled for each failure up to the limit, then spread over its upper half. */
export function backOffMs(failures: number, { initialMs, maxMs }: BackOffLimits): number {
  const ceiling = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 30));
  return ceiling * (0.5 + Math.random() / 2);
}

/** Waits; returns early, without throwing, once the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    // Aborted: the caller looks at the signal itself.
  }
}
