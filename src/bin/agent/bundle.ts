// SPDX-License-Identifier: Apache-2.0
import type { TrustBundle } from '../../api/v1alpha1/index.ts';
import type { TokenKeyStatus } from '../../notary/port.ts';
import { joinedKeys, keysIn } from '../../trust/token-keys.ts';
import type { DomainBundle, TrustStore } from '../../workload/port.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** What the notary says of this node. */
export interface OwnTrust {
  /** PEM. */
  readonly anchors: string;
  readonly keys: readonly TokenKeyStatus[];
}

/**
 * What a node knows of trust domains: of its own, what the notary says and every TrustBundle of it; the node's own come
 * first and are there even while no TrustBundle is, or the API server is away. Of others, their TrustBundles.
 */
export function trustStore(
  own: OwnTrust,
  trustDomain: string | undefined,
  bundles: readonly TrustBundle[],
): TrustStore {
  const foreign = new Map<string, DomainBundle>();
  const names = new Set(bundles.map(({ spec }) => spec.trustDomain));
  for (const name of names) if (name !== trustDomain) foreign.set(name, joined(sharedOf(name, bundles)));
  const ownKeys = own.keys.map(({ keyId, jwk }) => ({ use: 'jwt-svid', ...jwk, kid: keyId }));
  return { own: joined([{ anchors: own.anchors, keys: ownKeys }, ...sharedOf(trustDomain, bundles)]), foreign };
}

function sharedOf(trustDomain: string | undefined, bundles: readonly TrustBundle[]): DomainBundle[] {
  return bundles
    .filter(({ spec }) => spec.trustDomain === trustDomain)
    .map(({ status }) => ({ anchors: status?.certificates ?? '', keys: keysIn(status?.jwks) }));
}

function joined(parts: readonly DomainBundle[]): DomainBundle {
  const certificates = new Set(parts.flatMap(({ anchors }) => anchors.match(CERTIFICATE) ?? []));
  const anchors = [...certificates].map((certificate) => `${certificate}\n`).join('');
  return { anchors, keys: joinedKeys(...parts.map(({ keys }) => keys)) };
}
