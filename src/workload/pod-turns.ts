// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Calls of one pod that are worked on at a time, so that no module can take the notary for itself. */
const AT_A_TIME = 8;
/** Calls of one pod that may wait for that, and for how long, in milliseconds. */
const MAX_WAITING = 120;
const WAIT_MS = 5_000;

interface Line {
  running: number;
  readonly waiting: Set<() => void>;
}

/** Gives each pod's calls their turns: some at a time, some in line, the rest refused with `Overloaded`. */
export class PodTurns {
  readonly #lines = new Map<string, Line>();

  /** Runs `work` when it is the pod's turn. */
  async run<T>(podUid: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(podUid) ?? { running: 0, waiting: new Set() };
    this.#lines.set(podUid, line);
    if (line.running < AT_A_TIME) line.running++;
    else await waitIn(line);
    try {
      return await work();
    } finally {
      this.#leave(podUid, line);
    }
  }

  /** A place that is left passes to the first in line. */
  #leave(podUid: string, line: Line): void {
    const [next] = line.waiting;
    if (next) next();
    else if (--line.running === 0) this.#lines.delete(podUid);
  }
}

function waitIn(line: Line): Promise<void> {
  if (line.waiting.size >= MAX_WAITING) {
    const most = AT_A_TIME + MAX_WAITING;
    throw new KeysteadError('Overloaded', `this pod has ${most} calls open, the most that it may; end some first`);
  }
  return new Promise((resolve, reject) => {
    const enter = (): void => {
      clearTimeout(timer);
      line.waiting.delete(enter);
      resolve();
    };
    const timer = setTimeout(() => {
      line.waiting.delete(enter);
      reject(new KeysteadError('Overloaded', `this pod's calls before it took more than ${WAIT_MS} ms; ask again`));
    }, WAIT_MS);
    line.waiting.add(enter);
  });
}
