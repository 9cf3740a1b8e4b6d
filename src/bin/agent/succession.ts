// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { asKeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { FileLock } from '../../os/file-lock.ts';

/** Calls that come meanwhile are held by the next agent. Milliseconds. */
const LOOK_MS = 200;

export interface Heritage {
  /** Ends what is open: calls, streams, connections. */
  readonly drain: () => Promise<void>;
  /** Has the notary beside this agent end its work. */
  readonly releaseNotary: () => Promise<void>;
}

/**
 * One agent works on a node at a time. At an upgrade the next one starts beside it, gets ready, puts its sockets in place
 * of ours and holds the calls that come; then we end what is open, have our notary let go of its state, and let go of
 * ours: this lock, for which the next one waits. Who dies holding it has let go too.
 */
export class Succession {
  readonly #path: string;
  readonly #log: Logger;
  readonly #replaced = new AbortController();
  #lock: FileLock | undefined;

  constructor(stateDir: string, log: Logger) {
    this.#path = join(stateDir, 'lock');
    this.#log = log;
    this.#lock = FileLock.tryTake(this.#path);
  }

  /** Whether another agent works on this node, or did when this one started. */
  get hasPredecessor(): boolean {
    return this.#lock === undefined;
  }

  /** Aborted when the next agent has taken the sockets. */
  get replaced(): AbortSignal {
    return this.#replaced.signal;
  }

  /** Resolves when the agent before this one has let go; at once where there is none. */
  async inherit(signal: AbortSignal): Promise<void> {
    const waiting = (): void => this.#log.info('waiting for the agent before this one to end what is open');
    this.#lock ??= await FileLock.take(this.#path, signal, waiting);
  }

  /** Looks now and then whether the next agent is there, and then hands over to it. */
  watch(isReplaced: () => boolean, heritage: Heritage): void {
    const timer = setInterval(() => {
      if (!isReplaced()) return;
      clearInterval(timer);
      this.#log.info('the next agent has taken the sockets');
      this.#replaced.abort();
      void this.#handOver(heritage);
    }, LOOK_MS).unref();
  }

  async #handOver({ drain, releaseNotary }: Heritage): Promise<void> {
    await drain();
    try {
      await releaseNotary();
    } catch (error) {
      this.#log.warn({ err: asKeysteadError(error).message }, 'the notary did not hand over');
    }
    this.#lock?.release();
    this.#log.info('handed over to the next agent');
  }
}
