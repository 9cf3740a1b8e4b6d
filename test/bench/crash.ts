// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { killNow } from '../chaos/processes.ts';
import { pushGoClient } from '../clients/go-client.ts';
import { Scene } from '../e2e/harness.ts';
import { quantile } from './quantile.ts';
import { CallerPod, keysteadSide } from './workload-api/side.ts';

/** How long a caller waits for an answer after the agent was killed, milliseconds. */
export interface Crash {
  readonly crashes: number;
  readonly p50: number;
  readonly worst: number;
}

const CALL_SECONDS = 4;
const KILL_AFTER_MS = 500;
/** The supervisor gives up on an agent that ends five times in a row within ten seconds each. */
const STEADY_MS = 12_000;

/**
 * SIGKILL to the next answered call: a go-spiffe client in a pod makes one call after the other, each by a connection of its
 * own, and the longest of them is the one that waited for the next process.
 */
export async function measureCrash(crashes: number): Promise<Crash> {
  const scene = new Scene('bench-crash');
  await scene.open();
  try {
    const caller = join(import.meta.dirname, 'caller');
    const [image = ''] = await pushGoClient(caller, ['bench'], scene.lab.registry);
    const { pod } = await CallerPod.start(scene, await keysteadSide(scene, image), 'caller');
    const waits: number[] = [];
    for (let crash = 0; crash < crashes; crash++) {
      await setTimeout(STEADY_MS);
      const calls = pod.calls('connection', 1, CALL_SECONDS);
      await setTimeout(KILL_AFTER_MS);
      killNow('agent');
      waits.push(Math.round((await calls).max));
    }
    const sorted = waits.sort((left, right) => left - right);
    return { crashes, p50: quantile(sorted, 0.5), worst: sorted.at(-1) ?? 0 };
  } finally {
    await scene.close();
  }
}
