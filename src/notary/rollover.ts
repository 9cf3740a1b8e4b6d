// SPDX-License-Identifier: Apache-2.0
import { CA_BACKDATE_MS, type Validity } from '../issue/validity.ts';

/** What to do about the node's CA now; each step is taken once and leads to the next. */
export type RolloverStep =
  /** Nothing. */
  | 'keep'
  /** Make the next CA and publish it among the anchors; go on issuing from the current one. */
  | 'prepare'
  /** Issue from the next CA; the current one stays an anchor until its last leaf ends. */
  | 'activate'
  /** The current CA is of no use at this time and there is no next one: make one and issue from it at once. */
  | 'replace';

export interface RolloverSituation {
  readonly current: Validity;
  /** Of the next CA, where there is one. */
  readonly next?: Validity & { readonly activateAt: number };
  readonly maxLeafSeconds: number;
  /** Another algorithm is configured, or a key made later is asked for. */
  readonly otherKeyWanted: boolean;
}

/** A CA is followed by the next after this share of its life, or earlier where long leaves demand it. */
const ROLLOVER_AT = 2 / 3;
/** The next CA is published this share of its lifetime before it issues, at most a day: bundles must reach modules. */
const OVERLAP_SHARE = 0.1;
const MAX_OVERLAP_MS = 86_400_000;

/** How long the next CA is published before it issues, milliseconds. */
export function overlapMs(lifetimeSeconds: number): number {
  return Math.min(lifetimeSeconds * 1000 * OVERLAP_SHARE, MAX_OVERLAP_MS);
}

/** How long a CA was made to last, milliseconds, without what its certificate was dated back. */
export function lifetimeMs({ notBefore, notAfter }: Validity): number {
  return notAfter - notBefore - CA_BACKDATE_MS;
}

/**
 * When the next CA is made, so that after the overlap the current one still covers the longest leaf, with the overlap
 * once more to spare for a node that was off.
 */
export function rolloverTime(current: Validity, maxLeafSeconds: number): number {
  const start = current.notBefore + CA_BACKDATE_MS;
  const lifetime = lifetimeMs(current);
  const reserve = maxLeafSeconds * 1000 + 2 * overlapMs(lifetime / 1000);
  return Math.min(start + lifetime * ROLLOVER_AT, current.notAfter - reserve);
}

/** Whether what has this validity was made before a time that has come; then it is to be followed by another. */
export function isOlderThan(validity: Validity, time: number | undefined, now: number): boolean {
  return time !== undefined && now >= time && validity.notBefore + CA_BACKDATE_MS < time;
}

/** Decides the step at `now` (milliseconds since the Unix epoch). Pure. */
export function rolloverStep(situation: RolloverSituation, now: number): RolloverStep {
  const { current, next } = situation;
  const usable = isUsable(current, now);
  if (next && isUsable(next, now) && (!usable || now >= next.activateAt)) return 'activate';
  if (!usable) return 'replace';
  if (next) return 'keep';
  const due = now >= rolloverTime(current, situation.maxLeafSeconds);
  return due || situation.otherKeyWanted ? 'prepare' : 'keep';
}

function isUsable(validity: Validity, now: number): boolean {
  return now >= validity.notBefore && now <= validity.notAfter;
}
