// SPDX-License-Identifier: Apache-2.0
import { durationMs } from '../api/duration.ts';
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import { jitterOf } from '../issue/renewal.ts';
import type { ModuleKeyName } from '../notary/key-port.ts';

/** Rotations are brought forward by up to this share of their interval, so that a fleet does not rotate at once. */
const JITTER = 0.1;

/** The key in the token that an identity has at a time. */
export interface ModuleKeyTerm {
  readonly name: ModuleKeyName;
  /** When the next one takes its place, milliseconds since the Unix epoch; `Infinity` without rotation. */
  readonly until: number;
}

/**
 * Which key of `key.residency: Hardware` an identity has now; undefined for one in memory. Follows from the object and
 * the time alone: nothing has to be remembered, and all that ask agree.
 */
export function moduleKeyAt({ metadata, spec }: ModuleIdentity, now: number): ModuleKeyTerm | undefined {
  if (spec.key.residency !== 'Hardware') return undefined;
  const identityUid = metadata.uid ?? '';
  if (spec.key.rotation === undefined) return { name: { identityUid, generation: 1 }, until: Infinity };
  const interval = durationMs(spec.key.rotation);
  const shift = interval * JITTER * (jitterOf(identityUid) || 0);
  // A clock that was set back must not count below the first.
  const age = Math.max(0, now - (Date.parse(metadata.creationTimestamp ?? '') || now)) + shift;
  const generation = 1 + Math.floor(age / interval);
  return { name: { identityUid, generation }, until: Math.ceil(now + interval - (age % interval)) };
}

export function sameKey(one: ModuleKeyName, other: ModuleKeyName): boolean {
  return one.identityUid === other.identityUid && one.generation === other.generation;
}
