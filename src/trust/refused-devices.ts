// SPDX-License-Identifier: Apache-2.0
import { findCondition } from '../api/conditions.ts';
import { INTEGRITY_VERIFIED } from '../api/names.ts';
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { readAnchors, type AnchorSource } from './anchors.ts';
import { deviceTokenKeys } from './token-keys.ts';

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
  /** What the bundle holds of devices, by `namesIn`; undefined where there is none that remembers. */
  readonly present: ReadonlySet<string> | undefined;
  readonly now: number;
}

/**
 * Parts devices by their measured boot, where it is enforced. A node leaves when its refusal stands, and comes back with a
 * good quote and not before: falling silent, or a TPM that cannot be used, leaves it where it is. So a refused node does
 * not get back by not answering, and one that is off for a while does not drop out.
 */
export function byIntegrity(devices: readonly EdgeDevice[], moment: IntegrityMoment): DevicesByIntegrity {
  const brought = new Brought(devices, moment.now);
  const standing = devices.map((device) => ({ device, ...standingOf(device, moment, brought) }));
  const changes = standing.flatMap(({ changesAt }) => changesAt ?? []);
  return {
    trusted: standing.filter(({ out }) => !out).map(({ device }) => device),
    refused: standing.filter(({ out }) => out).map(({ device }) => device),
    changesAt: changes.length === 0 ? undefined : Math.min(...changes),
  };
}

/** Anchors by their SHA-256 fingerprints, and keys for JWT-SVIDs by their `kid`. */
export function namesIn(sources: readonly AnchorSource[], now: number): readonly string[] {
  const { anchors } = readAnchors(sources, now);
  return [...anchors.map(({ fingerprint }) => fingerprint), ...sources.flatMap(({ keys = [] }) => keys.map(kidOf))];
}

const kidOf = ({ kid }: { readonly kid: string }): string => kid;

function standingOf(
  device: EdgeDevice,
  { present, now }: IntegrityMoment,
  brought: Brought,
): { out: boolean; changesAt?: number } {
  if (device.spec.measuredBoot?.mode !== 'Enforce') return { out: false };
  const condition = findCondition(device.status?.conditions, INTEGRITY_VERIFIED);
  if (condition?.status === 'True') return { out: false };
  const asBefore = present !== undefined && !isPresent(brought.byAlone(device), present);
  if (condition?.status !== 'False') return { out: asBefore };
  const standsAt = Date.parse(condition.lastTransitionTime) + REFUSAL_STANDS_MS;
  return now >= standsAt ? { out: true } : { out: asBefore, changesAt: standsAt };
}

/** Any will do: the next anchor of a rollover is not there yet. Who brings nothing of his own brings nothing back. */
function isPresent(own: readonly string[], present: ReadonlySet<string>): boolean {
  return own.length === 0 || own.some((name) => present.has(name));
}

/** What devices report of anchors and keys. What one has copied from another tells nothing of itself. */
class Brought {
  readonly #devices: readonly EdgeDevice[];
  readonly #now: number;
  #counts: Map<string, number> | undefined;

  constructor(devices: readonly EdgeDevice[], now: number) {
    this.#devices = devices;
    this.#now = now;
  }

  /** What no other device reports. */
  byAlone(device: EdgeDevice): readonly string[] {
    this.#counts ??= this.#counted();
    return this.#names(device).filter((name) => this.#counts?.get(name) === 1);
  }

  #counted(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const device of this.#devices) {
      for (const name of this.#names(device)) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }

  #names(device: EdgeDevice): readonly string[] {
    const pem = device.status?.issuer?.anchors ?? '';
    return [...new Set(namesIn([{ name: 'device', pem, keys: deviceTokenKeys(device) }], this.#now))];
  }
}
