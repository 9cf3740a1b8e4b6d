// SPDX-License-Identifier: Apache-2.0
import { findCondition, type Condition } from '../src/api/conditions.ts';
import type { Occurrence } from '../src/kube/index.ts';

/** Reasons for which a condition does not hold though nothing is wrong. */
const BENIGN = new Set([
  'Pending',
  'NoHolder',
  'SecretEmpty',
  'NoPods',
  'Stopped',
  'WaitingForLowerOrder',
  'RollingOut',
  'PodsNotReady',
]);

/**
 * The Events that a change of conditions is worth: one for each condition whose status or reason changed. `Ready`
 * only where it begins to hold, since otherwise it repeats another condition.
 */
export function conditionEvents(
  before: readonly Condition[] | undefined,
  after: readonly Condition[],
  action: string,
): Occurrence[] {
  return after.flatMap(({ type, status, reason, message }) => {
    const former = findCondition(before, type);
    if (former?.status === status && former.reason === reason) return [];
    if (type === 'Ready' && status !== 'True') return [];
    if (status === 'True' && type !== 'Ready') return [];
    const warning = status !== 'True' && !BENIGN.has(reason);
    // What has only begun to be looked at is no news.
    if (!former && !warning && status !== 'True') return [];
    return [{ type: warning ? 'Warning' : 'Normal', reason, action, note: `${type}: ${message}` }];
  });
}
