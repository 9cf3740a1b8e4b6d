// SPDX-License-Identifier: Apache-2.0

/** How a held start came free. `Failed`: the callback threw. `TimedOut`: the hold limit passed, the callback goes on. */
export type Release = 'Settled' | 'Failed' | 'TimedOut';

export interface HoldResult {
  readonly release: Release;
  /** How long the container's start was held, in milliseconds. */
  readonly milliseconds: number;
  /** What the callback threw. */
  readonly thrown?: unknown;
}

/** Share of the runtime's own time limit that a start may be held for; past that limit the runtime closes the plugin. */
const SHARE_OF_TIMEOUT = 0.75;

/** Longest time in milliseconds for which a start may be held, given the runtime's request time limit. */
export function holdLimit(wanted: number, requestTimeout: number): number {
  return Math.min(wanted, requestTimeout * SHARE_OF_TIMEOUT);
}

/** Waits for `work`, but no longer than `limit` milliseconds. Never throws: no callback may keep a container from starting. */
export async function hold(work: () => Promise<void>, limit: number): Promise<HoldResult> {
  const begun = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<{ release: Release }>((resolve) => {
    timer = setTimeout(() => resolve({ release: 'TimedOut' }), limit);
  });
  const settled = run(work);
  const result = await Promise.race([settled, timedOut]);
  clearTimeout(timer);
  return { ...result, milliseconds: performance.now() - begun };
}

async function run(work: () => Promise<void>): Promise<{ release: Release; thrown?: unknown }> {
  try {
    await work();
    return { release: 'Settled' };
  } catch (thrown) {
    return { release: 'Failed', thrown };
  }
}
