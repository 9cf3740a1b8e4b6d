// SPDX-License-Identifier: Apache-2.0
import { constants } from 'node:os';
import { openPidfd, type Pidfd } from '../os/pidfd.ts';
import { helperState } from './execution.ts';
import type { AliveContainer } from './port.ts';

const { SIGSTOP, SIGCONT, SIGKILL } = constants.signals;

/**
 * A container's first process that was stopped before it has executed the container's program. The runtime's own hold ends
 * with the plugin that asked for it; this one does not, so that what an agent held as it died waits for the next one.
 */
export class HaltedStart {
  readonly #process: Pidfd;

  private constructor(process: Pidfd) {
    this.#process = process;
  }

  /** Stops it, before it returns. Undefined where there is nothing to be stopped: it is gone, or executes its program already. */
  static halt(pid: number): HaltedStart | undefined {
    const process = openPidfd(pid);
    if (process === undefined) return undefined;
    const halted = new HaltedStart(process);
    if (helperState(pid) !== undefined && process.signal(SIGSTOP) && helperState(pid) !== undefined) return halted;
    halted.release();
    return undefined;
  }

  /** The program starts as soon as the runtime has it do so. */
  release(): void {
    this.#end(SIGCONT);
  }

  /** The program never starts. */
  kill(): void {
    this.#end(SIGKILL);
  }

  #end(signal: number): void {
    this.#process.signal(signal);
    this.#process.close();
  }
}

/** Whether a process is such a one now. */
export function isHalted(pid: number): boolean {
  return helperState(pid) === 'T';
}

/** Containers that were left so by an agent that is no more, with their first processes. `processesOf`: of a container, by its id. */
export function leftHalted(
  containers: readonly AliveContainer[],
  processesOf: (containerId: string) => readonly number[],
): (AliveContainer & { readonly pid: number })[] {
  return containers
    .filter(({ running }) => !running)
    .flatMap((container) => {
      const pid = processesOf(container.id).find(isHalted);
      return pid === undefined ? [] : [{ ...container, pid }];
    });
}
