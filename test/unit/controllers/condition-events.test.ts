// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { conditionEvents } from '../../../controllers/condition-events.ts';
import type { Condition } from '../../../src/api/conditions.ts';

const condition = (type: string, status: 'True' | 'False', reason: string): Condition => ({
  type,
  status,
  reason,
  message: 'because',
  lastTransitionTime: '2026-01-01T00:00:00Z',
});
const reasons = (before: Condition[] | undefined, after: Condition[]): string[] =>
  conditionEvents(before, after, 'Doing').map(({ type, reason }) => `${type} ${reason}`);

describe('a change of conditions', () => {
  it('is worth a Warning where something is wrong, once', () => {
    const wrong = [condition('Ready', 'False', 'NameTaken'), condition('Deployed', 'False', 'NameTaken')];
    expect(conditionEvents(undefined, wrong, 'Doing')).toEqual([
      { type: 'Warning', reason: 'NameTaken', action: 'Doing', note: 'Deployed: because' },
    ]);
    expect(reasons(wrong, wrong)).toEqual([]);
  });

  it('is worth a word when the object becomes ready', () => {
    const before = [condition('Ready', 'False', 'Pending'), condition('Attested', 'False', 'Pending')];
    const after = [condition('Ready', 'True', 'Ready'), condition('Attested', 'True', 'Attested')];
    expect(reasons(before, after)).toEqual(['Normal Ready']);
  });

  it('is not worth one while things take their course', () => {
    expect(reasons(undefined, [condition('Attested', 'False', 'Pending')])).toEqual([]);
    expect(reasons([condition('Attested', 'True', 'Attested')], [condition('Attested', 'False', 'Pending')])).toEqual([
      'Normal Pending',
    ]);
  });
});
