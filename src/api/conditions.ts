// SPDX-License-Identifier: Apache-2.0

/** One aspect of an object's state, in the form that Kubernetes tools know. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One CamelCase word for programs. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** RFC 3339, whole seconds: when `status` last changed. */
  readonly lastTransitionTime: string;
  /** Generation of the spec that the condition speaks of. */
  readonly observedGeneration?: number;
}

/** What a reconciler has found out; the time of the transition is `setCondition`'s to say. */
export type ConditionUpdate = Omit<Condition, 'lastTransitionTime'>;

/**
 * Gives `conditions` with `update` in the place of its type, or at the end. The time of the transition is `now`
 * where the status changed and stays otherwise. Never changes its argument; gives the same array where nothing
 * differs, so that a caller can tell by identity that there is nothing to write.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  update: ConditionUpdate,
  now: Date,
): readonly Condition[] {
  const before = conditions ?? [];
  const index = before.findIndex((condition) => condition.type === update.type);
  const old = before[index];
  if (old === undefined) return [...before, { ...update, lastTransitionTime: timestamp(now) }];
  if (isSame(old, update)) return before;
  const lastTransitionTime = old.status === update.status ? old.lastTransitionTime : timestamp(now);
  return before.with(index, { ...update, lastTransitionTime });
}

/** The condition of this type, where there is one. */
export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition of this type is there and holds. */
export function isConditionTrue(conditions: readonly Condition[] | undefined, type: string): boolean {
  return findCondition(conditions, type)?.status === 'True';
}

function isSame(old: Condition, update: ConditionUpdate): boolean {
  return (
    old.status === update.status &&
    old.reason === update.reason &&
    old.message === update.message &&
    old.observedGeneration === update.observedGeneration
  );
}

/** Kubernetes writes whole seconds; a fraction would look like a change after the API server has cut it off. */
function timestamp(now: Date): string {
  return now.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
