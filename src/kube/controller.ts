// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { backOffMs, type BackOffLimits } from './back-off.ts';
import { WorkQueue } from './work-queue.ts';

/** What a reconciler wants next. */
export interface Result {
  /** Look at this key again after this time, even if nothing changes. */
  readonly requeueAfterMs?: number;
}

/**
 * Brings one object from its state to the desired one. Level-based: it gets a key, never an event, reads the
 * current state itself, and may be called at any time and any number of times. Throwing retries with back-off,
 * unless the error says that trying again unchanged is of no use (`KeysteadError.retryable` false): then the key
 * rests until something enqueues it again.
 */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most reconcilers have nothing to say
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Result | void>;

/** Told of every finished reconcile, and asked for nothing: what metrics hang on. */
export interface ControllerObserver {
  reconciled(controller: string, outcome: 'success' | 'retry' | 'terminal', seconds: number): void;
}

export interface ControllerOptions {
  /** Lower-case, for logs and metrics. */
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly log: Logger;
  /** Keys worked on at once, default 4. */
  readonly concurrency?: number;
  readonly backOff?: BackOffLimits;
  readonly observer?: ControllerObserver;
}

const BACK_OFF: BackOffLimits = { initialMs: 100, maxMs: 60_000 };

/** Runs a reconciler over a queue of keys. Keys may be enqueued before `run`, which is when work begins. */
export class Controller {
  readonly name: string;
  readonly #options: ControllerOptions;
  readonly #failures = new Map<string, number>();
  #queue = new WorkQueue();

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Keys that could be worked on now. */
  get depth(): number {
    return this.#queue.depth;
  }

  enqueue(key: string): void {
    this.#queue.add(key);
  }

  enqueueAfter(key: string, ms: number): void {
    this.#queue.addAfter(key, ms);
  }

  /**
   * Works until the signal is aborted, then lets the work in progress end. May be run again later (another term
   * of leadership): the queue then starts empty and the caller enqueues what must be looked at.
   */
  async run(signal: AbortSignal): Promise<void> {
    const queue = this.#queue;
    const stop = (): void => queue.stop();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const workers = Array.from({ length: this.#options.concurrency ?? 4 }, () => this.#work(queue, signal));
    await Promise.all(workers);
    signal.removeEventListener('abort', stop);
    this.#failures.clear();
    this.#queue = new WorkQueue();
  }

  async #work(queue: WorkQueue, signal: AbortSignal): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      const startedAt = performance.now();
      const outcome = await this.#once(queue, key, signal);
      this.#options.observer?.reconciled(this.name, outcome, (performance.now() - startedAt) / 1000);
      queue.done(key);
    }
  }

  async #once(queue: WorkQueue, key: string, signal: AbortSignal): Promise<'success' | 'retry' | 'terminal'> {
    const { log, reconcile, backOff = BACK_OFF } = this.#options;
    try {
      const result = await reconcile(key, signal);
      this.#failures.delete(key);
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      return 'success';
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      const about = { controller: this.name, key, code: error.code, err: error.message };
      if (!error.retryable) {
        this.#failures.delete(key);
        log.warn(about, 'reconcile refused; waiting for a change');
        return 'terminal';
      }
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      const retryAfter = error.retryAfterMs;
      queue.addAfter(key, retryAfter ?? backOffMs(failures, backOff));
      // A lost race for an object is everyday business; a defect deserves its stack.
      if (error.code === 'Internal')
        log.error({ ...about, stack: (error.cause as Error | undefined)?.stack }, 'reconcile failed');
      else log[failures > 2 ? 'warn' : 'debug'](about, 'reconcile to be tried again');
      return 'retry';
    }
  }
}
