// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice, TrustBundle } from '../api/v1alpha1/index.ts';
import type { VerificationKey } from '../issue/jwt-verification.ts';
import { bundlePem, readAnchors, type Anchor, type AnchorSource } from './anchors.ts';
import { byIntegrity } from './refused-devices.ts';
import { deviceCrls, joinedCrls } from './revocation-lists.ts';
import { deviceTokenKeys, joinedKeys } from './token-keys.ts';

/** What a TrustBundle holds after a look at its sources. */
export interface BundleContent {
  readonly anchors: readonly Anchor[];
  /** Keys for JWT-SVIDs, by their `kid`. */
  readonly keys: readonly VerificationKey[];
  /** PEM. */
  readonly crls: string;
  /** Revoked JWT-SVIDs, by `jti`. */
  readonly revokedTokens: readonly string[];
  readonly problems: readonly string[];
  /** When the first of the anchors expires, milliseconds since the epoch; undefined without anchors. */
  readonly changesAt: number | undefined;
}

export interface BundleHistory {
  /** What is wrong with sources that could not be read at all. */
  readonly unreadable: readonly string[];
  /** What the bundle held before: PEM, and keys for JWT-SVIDs. */
  readonly last: string;
  readonly lastKeys?: readonly VerificationKey[];
  readonly lastCrls?: string;
  /** Sources whose anchors and keys are not to be trusted any more: what was there of them does not stay. */
  readonly refused?: readonly AnchorSource[];
  readonly now: number;
}

/**
 * Joins what the sources give. While a source is wrong or the sources give nothing at all, the anchors that the
 * bundle held last stay in it beside the good ones: a typing error must not cut peers off that trust each other.
 */
export function bundleContent(
  sources: readonly AnchorSource[],
  { unreadable, last, lastKeys = [], lastCrls = '', refused = [], now }: BundleHistory,
): BundleContent {
  const current = readAnchors(sources, now);
  const withdrawn = new Set(readAnchors(refused, now).anchors.map(({ fingerprint }) => fingerprint));
  const withdrawnKeys = new Set(refused.flatMap(({ keys = [] }) => keys.map(({ kid }) => kid)));
  const problems = [...unreadable, ...current.problems];
  if (problems.length === 0 && current.anchors.length === 0) {
    problems.push(
      'No source gives a trust anchor yet: an EdgeDevice of this trust domain must be Ready, or another source be added.',
    );
  }
  const former =
    problems.length > 0 && last !== '' ? readAnchors([{ name: 'last bundle', pem: last }], now).anchors : [];
  const kept = former.filter(({ fingerprint }) => !withdrawn.has(fingerprint));
  const anchors = merged(current.anchors, kept);
  const formerKeys = problems.length > 0 ? lastKeys.filter(({ kid }) => !withdrawnKeys.has(kid)) : [];
  const keys = joinedKeys(formerKeys, ...sources.map((source) => source.keys ?? []));
  const crls = joinedCrls(problems.length > 0 ? lastCrls : '', ...sources.map((source) => source.crls ?? ''));
  const revokedTokens = [...new Set(sources.flatMap((source) => source.revokedTokens ?? []))].sort();
  const changesAt = anchors.length === 0 ? undefined : Math.min(...anchors.map(({ notAfter }) => notAfter));
  return { anchors, keys, crls, revokedTokens, problems, changesAt };
}

function merged(current: readonly Anchor[], kept: readonly Anchor[]): Anchor[] {
  const all = new Map([...kept, ...current].map((anchor) => [anchor.fingerprint, anchor]));
  return [...all.values()].sort((left, right) => (left.fingerprint < right.fingerprint ? -1 : 1));
}

/**
 * PEM of the anchors that modules of a trust domain get: of its TrustBundles, or, while there is none with content,
 * of its devices themselves that measured boot does not refuse. Empty where nothing is known.
 */
export function trustOf(
  trustDomain: string,
  { bundles, devices, now }: { bundles: readonly TrustBundle[]; devices: readonly EdgeDevice[]; now: number },
): string {
  const declared = bundles
    .filter(({ spec }) => spec.trustDomain === trustDomain)
    .map(({ metadata, status }) => ({ name: metadata.name ?? '', pem: status?.certificates ?? '' }))
    .filter(({ pem }) => pem !== '');
  const { trusted } = byIntegrity(devices, { present: undefined, now });
  const sources = declared.length > 0 ? declared : deviceSources(trustDomain, trusted);
  return bundlePem(readAnchors(sources, now).anchors);
}

/** The anchors that the devices of a trust domain report. */
export function deviceSources(trustDomain: string, devices: readonly EdgeDevice[]): AnchorSource[] {
  return devices
    .filter(({ spec }) => spec.trustDomain === trustDomain)
    .map((device) => ({
      name: `device ${device.metadata.name ?? ''}`,
      pem: device.status?.issuer?.anchors ?? '',
      keys: deviceTokenKeys(device),
      crls: deviceCrls(device),
      revokedTokens: (device.status?.revocation?.tokens ?? []).map(({ jti }) => jti),
    }))
    .filter(({ pem }) => pem !== '');
}
