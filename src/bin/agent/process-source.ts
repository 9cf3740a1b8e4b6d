// SPDX-License-Identifier: Apache-2.0
import type { ProcessEvidence } from '../../attest/port.ts';
import { ProcessMeter } from '../../attest/process.ts';
import {
  containerOfProcess,
  podOfProcess,
  processesByPlace,
  unitOfProcess,
} from '../../attest/processes-of-container.ts';
import { openPidfd, watchExit, type Pidfd } from '../../os/pidfd.ts';
import { readProc } from '../../os/proc.ts';
import { parseStart } from '../../os/proc-format.ts';

/** Processes of this node, as attestation sees them. */
export class ProcessSource {
  readonly #meter: ProcessMeter;
  readonly #list: () => ReadonlyMap<string, readonly number[]>;
  #scan: { readonly at: number; readonly found: ReadonlyMap<string, readonly number[]> } | undefined;

  /** `list`: the processes of the node, by container and unit. */
  constructor(meter: ProcessMeter, list: () => ReadonlyMap<string, readonly number[]> = () => processesByPlace()) {
    this.#meter = meter;
    this.#list = list;
  }

  measure(pid: number, init: number): Promise<ProcessEvidence | undefined> {
    return this.#meter.measure(pid, init);
  }

  /** All processes in a container or a systemd unit, as a look at the whole node found them at most a second ago. */
  of(place: string): readonly number[] {
    const now = performance.now();
    // One look serves all containers that are measured about now: a node of 200 modules must not be walked 200 times.
    if (!this.#scan || now - this.#scan.at > SCAN_MS) this.#scan = { at: now, found: this.#list() };
    return this.#scan.found.get(place) ?? [];
  }

  /** Has the next question answered by a new look: there is a process that was not there before. */
  lookAfresh(): void {
    this.#scan = undefined;
  }

  /** Uid of the pod that a process is in. Undefined where it is in none, or has ended. */
  podOf(pid: number): string | undefined {
    return podOfProcess(pid);
  }

  /** Id of the container that a process is in. Undefined where it is in none, or has ended. */
  containerOf(pid: number): string | undefined {
    return containerOfProcess(pid);
  }

  /** Systemd unit that a process is in. Undefined where it is in none, or has ended. */
  unitOf(pid: number): string | undefined {
    return unitOfProcess(pid);
  }

  /**
   * Calls back once, never at once, when that very process has ended; also when it had ended before. Whom it has left behind a
   * list from before may not have.
   */
  watchExit(process: { readonly pid: number; readonly startTime: string }, onEnd: () => void): { close(): void } {
    const ended = (): void => {
      this.lookAfresh();
      onEnd();
    };
    const pidfd = openPidfd(process.pid);
    if (!pidfd || !isSame(process)) {
      pidfd?.close();
      const soon = setTimeout(ended, 0);
      return { close: () => clearTimeout(soon) };
    }
    const stop = watchExit(pidfd, () => {
      pidfd.close();
      ended();
    });
    return { close: () => closeWatch(pidfd, stop) };
  }
}

const SCAN_MS = 1000;

function closeWatch(pidfd: Pidfd, stop: () => void): void {
  stop();
  pidfd.close();
}

/** Asked with a pidfd open: from then on the pid cannot be reused unnoticed. */
function isSame({ pid, startTime }: { readonly pid: number; readonly startTime: string }): boolean {
  try {
    return parseStart(readProc(pid, 'stat')).startTime === startTime;
  } catch {
    return false;
  }
}
