// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { CA_BACKDATE_MS, validityFrom } from '../../../src/issue/validity.ts';
import { overlapMs, rolloverStep, rolloverTime } from '../../../src/notary/rollover.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const year = validityFrom(START, (365 * DAY) / 1000, CA_BACKDATE_MS);
const situation = { current: year, maxLeafSeconds: DAY / 1000, otherKeyWanted: false };
const nextYear = {
  ...validityFrom(START + 250 * DAY, (365 * DAY) / 1000, CA_BACKDATE_MS),
  activateAt: START + 251 * DAY,
};

describe('CA rollover', () => {
  it.each([
    ['a fresh CA', situation, START, 'keep'],
    ['a CA at half of its life', situation, START + 182 * DAY, 'keep'],
    ['a CA at two thirds of its life', situation, START + 244 * DAY, 'prepare'],
    ['another key algorithm asked for', { ...situation, otherKeyWanted: true }, START + DAY, 'prepare'],
    [
      'a next CA that is still being made known',
      { ...situation, next: nextYear },
      START + 250 * DAY + 3600_000,
      'keep',
    ],
    ['a next CA whose time has come', { ...situation, next: nextYear }, START + 251 * DAY, 'activate'],
    ['an expired CA without a next one', situation, START + 366 * DAY, 'replace'],
    ['an expired CA with a next one', { ...situation, next: nextYear }, START + 366 * DAY, 'activate'],
    ['an expired CA with an expired next one', { ...situation, next: nextYear }, START + 800 * DAY, 'replace'],
    ['a clock before the CA', situation, START - 2 * DAY, 'replace'],
    ['a clock an hour before the making of the CA', situation, START - 3_600_000, 'keep'],
  ] as const)('%s', (_, given, now, step) => expect(rolloverStep(given, now)).toBe(step));

  it.each([
    [120, 60],
    [600, 300],
    [86_400, 3600],
    [86_400, 43_200],
    [31_536_000, 86_400],
    [31_536_000, 7_776_000],
  ])('with a CA of %d s and leaves of up to %d s, the longest leaf fits at every time until the switch', (ca, leaf) => {
    const validity = validityFrom(START, ca, CA_BACKDATE_MS);
    const prepared = rolloverTime(validity, leaf);
    expect(prepared).toBeGreaterThan(START);
    const switched = prepared + overlapMs(ca);
    expect(switched + leaf * 1000).toBeLessThanOrEqual(validity.notAfter);
  });
});
