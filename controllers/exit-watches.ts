// SPDX-License-Identifier: Apache-2.0

export interface ExitWatchPorts {
  /** Calls back once when the process has ended. */
  watchExit(process: { readonly pid: number; readonly startTime: string }, ended: () => void): { close(): void };
  /** Has the pod looked at again. */
  enqueue(podUid: string): void;
}

/** Has a pod looked at again when the process that was judged last has ended. */
export class ExitWatches {
  readonly #ports: ExitWatchPorts;
  readonly #watched = new Map<string, { readonly pid: number; close(): void }>();

  constructor(ports: ExitWatchPorts) {
    this.#ports = ports;
  }

  watch(podUid: string, process: { readonly pid: number; readonly startTime: string }): void {
    if (this.#watched.get(podUid)?.pid === process.pid) return;
    this.unwatch(podUid);
    const watch = this.#ports.watchExit(process, () => {
      this.#watched.delete(podUid);
      this.#ports.enqueue(podUid);
    });
    this.#watched.set(podUid, { pid: process.pid, close: () => watch.close() });
  }

  unwatch(podUid: string): void {
    this.#watched.get(podUid)?.close();
    this.#watched.delete(podUid);
  }
}
