// SPDX-License-Identifier: Apache-2.0
import { libc } from './libc.ts';

const exitNow = libc('void _exit(int status)');

/**
 * Ends this process at once, whatever its threads do (`_exit(2)`). `process.exit` waits for threads to end, and one that
 * hangs in a foreign library never does.
 */
export function endProcess(status: number): never {
  exitNow(status);
  throw new Error('_exit returned');
}
