// SPDX-License-Identifier: Apache-2.0
import { beforeAll, it } from '@jest/globals';

/** How many attacks run at a time: most of each is waiting for the node. */
const LANES = 4;
/** Includes the wait for a lane. */
const LIMIT = 180_000;

const lanes: Promise<unknown>[] = Array.from({ length: LANES }, () => Promise.resolve());
let next = 0;

function inLane<T>(task: () => Promise<T>): Promise<T> {
  const lane = next++ % LANES;
  const result = lanes[lane]!.then(task);
  lanes[lane] = result.catch(() => undefined);
  return result;
}

/**
 * A test that runs beside the others of its `describe`: they begin together, after the hooks that were declared before,
 * and each is reported for itself. It must use names of its own.
 */
export function attack(what: string, perform: () => Promise<unknown>): void {
  let result: Promise<unknown> | undefined;
  beforeAll(() => {
    result = inLane(perform);
    // Reported by the test below, which may come to it much later.
    result.catch(() => undefined);
  });
  it(
    what,
    async () => {
      await result;
    },
    LIMIT,
  );
}
