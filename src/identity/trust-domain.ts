// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice, ModuleIdentity } from '../api/v1alpha1/index.ts';

/**
 * The trust domain in which the cluster speaks of an identity. Each node issues in its own device's; normally all
 * devices share one. Where they do not: the domain of `spec.spiffeId` if a device has it, else that of a device
 * whose pods hold the identity, else the first by name. Undefined while there is no device.
 */
export function trustDomainOf({ spec, status }: ModuleIdentity, devices: readonly EdgeDevice[]): string | undefined {
  const domains = [...new Set(devices.map((device) => device.spec.trustDomain))].sort();
  if (domains.length <= 1) return domains[0];
  const asked = /^spiffe:\/\/([^/]+)/.exec(spec.spiffeId ?? '')?.[1];
  if (asked !== undefined && domains.includes(asked)) return asked;
  const nodes = new Set((status?.holders ?? []).map(({ node }) => node));
  return devices.find(({ metadata }) => nodes.has(metadata.name ?? ''))?.spec.trustDomain ?? domains[0];
}
