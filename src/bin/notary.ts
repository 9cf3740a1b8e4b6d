// SPDX-License-Identifier: Apache-2.0
import { parentPort, workerData } from 'node:worker_threads';

// Each thread reads only what it runs: that is some megabytes less.
if (parentPort) {
  const { runNotaryThread } = await import('./notary-thread.ts');
  runNotaryThread(parentPort, workerData);
} else {
  const { runNotary } = await import('./notary-main.ts');
  await runNotary(import.meta.filename).catch(async (error: unknown) => {
    const { createLogger } = await import('../log.ts');
    createLogger('notary').fatal({ err: error instanceof Error ? error.message : String(error) }, 'cannot start');
    process.exitCode = 1;
  });
}
