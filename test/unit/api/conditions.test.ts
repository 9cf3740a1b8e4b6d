// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { findCondition, isConditionTrue, setCondition, type Condition } from '../../../src/api/conditions.ts';

const BEFORE = '2026-01-01T00:00:00Z';
const NOW = new Date('2026-01-02T03:04:05.678Z');

const ready: Condition = {
  type: 'Ready',
  status: 'True',
  reason: 'Issued',
  message: 'All issued.',
  lastTransitionTime: BEFORE,
  observedGeneration: 1,
};
const issued: Condition = { ...ready, type: 'Issued' };
const update = {
  type: 'Ready',
  status: 'True',
  reason: 'Issued',
  message: 'All issued.',
  observedGeneration: 1,
} as const;

describe('setCondition', () => {
  it('adds a condition to none', () => {
    expect(setCondition(undefined, update, NOW)).toEqual([{ ...ready, lastTransitionTime: '2026-01-02T03:04:05Z' }]);
  });

  it('adds a condition at the end', () => {
    expect(setCondition([issued], update, NOW).map(({ type }) => type)).toEqual(['Issued', 'Ready']);
  });

  it('gives the same array where nothing differs', () => {
    const conditions = [issued, ready];
    expect(setCondition(conditions, update, NOW)).toBe(conditions);
  });

  it.each([
    ['reason', { reason: 'Renewed' }],
    ['message', { message: 'Two issued.' }],
    ['generation', { observedGeneration: 2 }],
  ])('keeps the time of the transition where only the %s changes', (_what, change) => {
    expect(setCondition([ready, issued], { ...update, ...change }, NOW)).toEqual([{ ...ready, ...change }, issued]);
  });

  it('sets the time of the transition, in whole seconds, where the status changes', () => {
    const [condition] = setCondition([ready], { ...update, status: 'False', reason: 'TokenAbsent' }, NOW);
    expect(condition).toMatchObject({ status: 'False', lastTransitionTime: '2026-01-02T03:04:05Z' });
  });

  it('drops an observed generation that the update no longer has', () => {
    const { type, status, reason, message } = update;
    expect(setCondition([ready], { type, status, reason, message }, NOW)[0]).not.toHaveProperty('observedGeneration');
  });

  it('leaves its argument alone', () => {
    const conditions = Object.freeze([Object.freeze({ ...ready })]);
    setCondition(conditions, { ...update, status: 'Unknown' }, NOW);
    expect(conditions).toEqual([ready]);
  });
});

describe('findCondition and isConditionTrue', () => {
  it('find by type', () => {
    expect(findCondition([issued, ready], 'Ready')).toBe(ready);
    expect(findCondition(undefined, 'Ready')).toBeUndefined();
  });

  it.each([
    ['True', true],
    ['False', false],
    ['Unknown', false],
  ] as const)('a condition that is %s: %s', (status, expected) => {
    expect(isConditionTrue([{ ...ready, status }], 'Ready')).toBe(expected);
  });

  it('an absent condition does not hold', () => {
    expect(isConditionTrue([], 'Ready')).toBe(false);
  });
});
