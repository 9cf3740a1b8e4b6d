// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { asKeysteadError, type ErrorCode } from '../errors.ts';

/**
 * How long a call goes on trying what may pass, in milliseconds: longer than the notary or the agent takes to restart. The
 * SDK for Node ends its process when one sign fails at renewal, and none of the SDKs sets a deadline of its own.
 */
const PATIENCE_MS = 15_000;
const FIRST_WAIT_MS = 25;
const LAST_WAIT_MS = 500;

/** Errors that say nothing of the next attempt. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['Unavailable', 'TokenFailed', 'TokenAbsent', 'Overloaded']);

export interface Patience {
  /** Ends the trying, when nobody waits any more. */
  readonly signal: AbortSignal;
  readonly milliseconds?: number;
}

/** Tries again and again what fails with an error that may pass; throws the last one when patience ends. */
export async function patiently<T>(
  attempt: () => Promise<T>,
  { signal, milliseconds = PATIENCE_MS }: Patience,
): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LAST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (thrown) {
      const { code, retryAfterMs = 0 } = asKeysteadError(thrown);
      const next = performance.now() + Math.max(wait, retryAfterMs);
      if (!PASSING.has(code) || signal.aborted || next > deadline) throw thrown;
    }
    await sleep(wait);
  }
}
