// SPDX-License-Identifier: Apache-2.0
import type { TrustBundle } from '../../api/v1alpha1/index.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The trust anchors for the modules of a node, PEM: the node's own, and those of every TrustBundle of its trust
 * domain. The node's own come first and are there even while no TrustBundle is, or the API server is away.
 */
export function trustAnchors(own: string, trustDomain: string | undefined, bundles: readonly TrustBundle[]): string {
  const shared = bundles
    .filter(({ spec }) => spec.trustDomain === trustDomain)
    .map(({ status }) => status?.certificates ?? '');
  const certificates = [own, ...shared].flatMap((text) => text.match(CERTIFICATE) ?? []);
  return [...new Set(certificates)].map((certificate) => `${certificate}\n`).join('');
}
