// SPDX-License-Identifier: Apache-2.0
import { Roster } from '../roster.ts';

/**
 * Tells waiting streams that something about their pod has changed. Says only *that*: who is woken looks for himself,
 * so that ten changes in a row are one look, and none is lost between a look and the wait after it.
 */
export class Changes {
  readonly #versions = new Map<string, number>();
  readonly #waiting = new Map<string, Roster<() => void>>();
  #common = 0;
  #ending = false;

  /** Counts what has changed for a pod so far. Read it before looking, and give it to `after`. */
  version(podUid: string): number {
    return this.#common + (this.#versions.get(podUid) ?? 0);
  }

  /** Something changed for one pod. */
  tell(podUid: string): void {
    this.#versions.set(podUid, (this.#versions.get(podUid) ?? 0) + 1);
    this.#wake(podUid);
  }

  /** Something changed that all pods see, as the trust bundle. */
  tellAll(): void {
    this.#common += 1;
    for (const podUid of [...this.#waiting.keys()]) this.#wake(podUid);
  }

  /** Whether this process serves no longer: streams shall end, for their callers to go to the next. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Says so to all that wait. */
  end(): void {
    this.#ending = true;
    this.tellAll();
  }

  /** Drops what is counted for a pod that has left the node. */
  forget(podUid: string): void {
    this.tell(podUid);
    this.#versions.delete(podUid);
    if (this.#waiting.get(podUid)?.size === 0) this.#waiting.delete(podUid);
  }

  /** Resolves at the first change after `version`, or when `milliseconds` have passed, or when the signal aborts. */
  after(podUid: string, version: number, { signal, milliseconds }: Patience): Promise<Waited> {
    if (signal.aborted) return Promise.resolve('Aborted');
    if (this.version(podUid) !== version) return Promise.resolve('Changed');
    return new Promise((resolve) => {
      const settle = (waited: Waited): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        waiting.remove(number, wake);
        resolve(waited);
      };
      const wake = (): void => settle('Changed');
      const abort = (): void => settle('Aborted');
      const timer = milliseconds === Infinity ? undefined : setTimeout(() => settle('Late'), milliseconds);
      signal.addEventListener('abort', abort, { once: true });
      const waiting = this.#waitingFor(podUid);
      const number = waiting.add(wake);
    });
  }

  #wake(podUid: string): void {
    for (const wake of this.#waiting.get(podUid)?.all() ?? []) wake();
  }

  #waitingFor(podUid: string): Roster<() => void> {
    const known = this.#waiting.get(podUid);
    if (known) return known;
    const made = new Roster<() => void>();
    this.#waiting.set(podUid, made);
    return made;
  }
}

export type Waited = 'Changed' | 'Late' | 'Aborted';

export interface Patience {
  readonly signal: AbortSignal;
  /** `Infinity` waits as long as the signal lets it. */
  readonly milliseconds: number;
}
