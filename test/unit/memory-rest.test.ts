// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Rest } from '../../src/os/memory.ts';

const MEGABYTE = 2 ** 20;
/** What lies on the heap after a collection. */
const LEFT = 20 * MEGABYTE;

/** Whether memory is given back after each interval, by the processor time, milliseconds, and the garbage, bytes, of each. */
function releases(intervals: readonly (readonly [milliseconds: number, garbage: number])[]): boolean[] {
  const rest = new Rest();
  let [used, heap] = [0, LEFT];
  return intervals.map(([milliseconds, garbage]) => {
    used += milliseconds;
    heap += garbage;
    const due = rest.isDue(used, heap);
    if (due) rest.released((used += 40), (heap = LEFT));
    return due;
  });
}

const working = (...intervals: number[]): (readonly [number, number])[] => intervals.map((each) => [each, 0]);
const always = (milliseconds: number, garbage: number): (readonly [number, number])[] =>
  Array.from({ length: 60 }, () => [milliseconds, garbage] as const);

describe('memory is given back', () => {
  it('once after the start, when that is over', () => {
    expect(releases(working(900, 30, 30, 30))).toEqual([false, true, false, false]);
    expect(releases(working(100, 30, 30))).toEqual([true, false, false]);
  });

  it('after a burst, not in the middle of it', () => {
    expect(releases(working(900, 30, 2_000, 3_000, 30, 30))).toEqual([false, true, false, false, true, false]);
  });

  it('when small portions of work have left much behind, six intervals apart', () => {
    const due = releases(always(30, MEGABYTE)).flatMap((each, at) => (each ? [at] : []));
    expect(due).toEqual([0, 6, 12, 18, 24, 30, 36, 42, 48, 54]);
  });

  it('not for little garbage, and never where there is always much to do', () => {
    expect(releases(always(30, MEGABYTE / 100)).filter(Boolean)).toHaveLength(1);
    expect(releases(always(400, MEGABYTE)).filter(Boolean)).toHaveLength(0);
  });
});
