// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from 'node:crypto';
import { decide } from '../../attest/decide.ts';
import type { ContainerRuntime } from '../../runtime/port.ts';
import type { ProcessSource } from './process-source.ts';

/** Enough for V8 to have compiled what a start goes through, little enough not to delay the agent's own. */
const ROUNDS = 10;

/**
 * Goes through what the first container start would otherwise be the first to pay for: connections to the runtime,
 * compilation of the code that measures and judges. Nothing is issued and no verdict kept; what fails here is of no
 * consequence and will be told of when it matters.
 */
export async function warmUp(node: string, runtime: ContainerRuntime, processes: ProcessSource): Promise<void> {
  try {
    const running = (await runtime.alive()).find((container) => container.running);
    for (let round = 0; round < ROUNDS; round++) {
      const container = running && (await runtime.container(running.id));
      const measured = await processes.measure(process.pid, process.pid);
      processes.of(container?.id ?? '');
      generateKeyPairSync('ec', { namedCurve: 'P-256' });
      decide({
        node,
        modules: [],
        phase: 'Running',
        ...(container && { container }),
        ...(measured && { process: measured }),
      });
    }
  } catch {
    // The runtime may be away just now; the agent says so itself.
    return;
  } finally {
    // Who comes in before the first look at all pods is told of to nobody: it must not go by this list.
    processes.lookAfresh();
  }
}
