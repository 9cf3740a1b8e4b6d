// SPDX-License-Identifier: Apache-2.0
import { findCondition } from '../api/conditions.ts';
import { INTEGRITY_VERIFIED } from '../api/names.ts';
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { readAnchors } from './anchors.ts';

/**
 * How long a refusal by measured boot must stand before the node's authority leaves the trust bundles, in milliseconds. The
 * TPM is challenged again each minute meanwhile, so that it is never one quote alone that cuts a node off.
 */
export const REFUSAL_STANDS_MS = 150_000;

export interface DevicesByIntegrity {
  /** Whose anchors belong into a bundle. */
  readonly trusted: readonly EdgeDevice[];
  /** Whose do not, as long as measured boot is enforced and refuses the node. */
  readonly refused: readonly EdgeDevice[];
  /** When a refusal that is young will have stood long enough, milliseconds since the Unix epoch. */
  readonly changesAt: number | undefined;
}

export interface IntegrityMoment {
  /** SHA-256 fingerprints of the anchors that the bundle holds; undefined where there is none that remembers. */
  readonly present: ReadonlySet<string> | undefined;
  readonly now: number;
}

/**
 * Parts devices by their measured boot, where it is enforced. A node leaves when its refusal stands, and comes back with a
 * good quote and not before: falling silent, or a TPM that cannot be used, leaves it where it is. So a refused node does
 * not get back by not answering, and one that is off for a while does not drop out.
 */
export function byIntegrity(devices: readonly EdgeDevice[], moment: IntegrityMoment): DevicesByIntegrity {
  const standing = devices.map((device) => ({ device, ...standingOf(device, moment) }));
  const changes = standing.flatMap(({ changesAt }) => changesAt ?? []);
  return {
    trusted: standing.filter(({ out }) => !out).map(({ device }) => device),
    refused: standing.filter(({ out }) => out).map(({ device }) => device),
    changesAt: changes.length === 0 ? undefined : Math.min(...changes),
  };
}

function standingOf(device: EdgeDevice, { present, now }: IntegrityMoment): { out: boolean; changesAt?: number } {
  if (device.spec.measuredBoot?.mode !== 'Enforce') return { out: false };
  const condition = findCondition(device.status?.conditions, INTEGRITY_VERIFIED);
  if (condition?.status === 'True') return { out: false };
  const asBefore = present !== undefined && !isPresent(device, present, now);
  if (condition?.status !== 'False') return { out: asBefore };
  const standsAt = Date.parse(condition.lastTransitionTime) + REFUSAL_STANDS_MS;
  return now >= standsAt ? { out: true } : { out: asBefore, changesAt: standsAt };
}

/** Any of its anchors: the next one of a rollover is not there yet. */
function isPresent({ status }: EdgeDevice, present: ReadonlySet<string>, now: number): boolean {
  const { anchors } = readAnchors([{ name: 'device', pem: status?.issuer?.anchors ?? '' }], now);
  return anchors.some(({ fingerprint }) => present.has(fingerprint));
}
