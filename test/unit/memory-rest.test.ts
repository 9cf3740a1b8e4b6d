// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { Rest } from '../../src/os/memory.ts';

/** Whether memory is given back after each interval, by the processor time that each has taken, milliseconds. */
function releases(...intervals: number[]): boolean[] {
  const rest = new Rest();
  let used = 0;
  return intervals.map((interval) => {
    used += interval;
    const due = rest.isDue(used);
    if (due) rest.released((used += 40));
    return due;
  });
}

describe('memory is given back', () => {
  it('once after the start, when that is over', () => {
    expect(releases(900, 30, 30, 30)).toEqual([false, true, false, false]);
    expect(releases(100, 30, 30)).toEqual([true, false, false]);
  });

  it('after a burst, not in the middle of it', () => {
    expect(releases(900, 30, 2_000, 3_000, 30, 30)).toEqual([false, true, false, false, true, false]);
  });

  it('seldom where there is always a little to do, and never where there is always much', () => {
    expect(releases(...Array.from({ length: 200 }, () => 30)).filter(Boolean)).toHaveLength(12);
    const alternating = Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? 400 : 30));
    expect(releases(...alternating).filter(Boolean)).toHaveLength(3);
    expect(releases(...Array.from({ length: 100 }, () => 400)).filter(Boolean)).toHaveLength(0);
  });
});
