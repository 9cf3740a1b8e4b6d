// SPDX-License-Identifier: Apache-2.0
import type { ProcessEvidence } from '../src/attest/port.ts';
import type { Attestation } from './pod-attestation.ts';

/** Milliseconds between looks at a process which is still the program of who starts it, just before its exec. */
const RETRIES = [2, 3, 5, 10, 20, 40, 80, 160, 320];

export interface PastExecOptions {
  /** Whether a process that was refused is only about to become what it was started as. */
  readonly isStarter: (process: ProcessEvidence) => boolean;
  /** Resolves after so many milliseconds. */
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/**
 * Looks again while what is refused is not the module yet: a start shows a moment before the helper of who starts it executes
 * the module's program. To refuse the module for that would be wrong. Nothing is granted meanwhile, so that a module which
 * calls itself so only delays its own identity.
 */
export async function pastExec(
  look: () => Promise<Attestation>,
  { isStarter, sleep }: PastExecOptions,
): Promise<Attestation> {
  for (const wait of RETRIES) {
    const judged = await look();
    if (judged.state !== 'Judged' || judged.verdict.allowed) return judged;
    if (!judged.process || !isStarter(judged.process)) return judged;
    await sleep(wait);
  }
  return look();
}
