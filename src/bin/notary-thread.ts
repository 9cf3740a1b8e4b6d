// SPDX-License-Identifier: Apache-2.0
import type { MessagePort } from 'node:worker_threads';
import { encodeUse } from '../audit/key-use.ts';
import { runTokenThread, type ThreadSettings } from '../notary/threads/start.ts';

/** Runs the thread of a root of trust; `settings` is what the main thread started it with. */
export function runNotaryThread(line: MessagePort, settings: unknown): void {
  runTokenThread(line, settings as ThreadSettings, { encodeUse, end: () => line.close() });
}
