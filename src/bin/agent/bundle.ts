// SPDX-License-Identifier: Apache-2.0
import type { TrustBundle } from '../../api/v1alpha1/index.ts';
import { crlPemOf } from '../../issue/pem.ts';
import type { NotaryStatus, TokenKeyStatus } from '../../notary/port.ts';
import type { RevocationLists } from '../../notary/revocation-port.ts';
import { joinedCrls } from '../../trust/revocation-lists.ts';
import { joinedKeys, keysIn } from '../../trust/token-keys.ts';
import type { DomainBundle, TrustStore } from '../../workload/port.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** What the notary says of this node. */
export interface OwnTrust {
  /** PEM. */
  readonly anchors: string;
  readonly keys: readonly TokenKeyStatus[];
  readonly revocation?: RevocationLists | undefined;
}

/** As the notary and its revocation lists tell it; empty before the notary has answered. */
export function ownTrust(notary: NotaryStatus | undefined, revocation: RevocationLists | undefined): OwnTrust {
  return { anchors: notary?.issuer?.anchors ?? '', keys: notary?.tokens?.keys ?? [], revocation };
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
  const { crls = [], tokens = [] } = own.revocation ?? {};
  const crlsPem = crls.map(({ der }) => crlPemOf(der)).join('');
  const revokedTokens = tokens.map(({ jti }) => jti);
  const ownBundle = { anchors: own.anchors, keys: ownKeys, crls: crlsPem, revokedTokens };
  return { own: joined([ownBundle, ...sharedOf(trustDomain, bundles)]), foreign };
}

function sharedOf(trustDomain: string | undefined, bundles: readonly TrustBundle[]): DomainBundle[] {
  return bundles
    .filter(({ spec }) => spec.trustDomain === trustDomain)
    .map(({ status }) => ({
      anchors: status?.certificates ?? '',
      keys: keysIn(status?.jwks),
      crls: status?.crl ?? '',
      revokedTokens: status?.revokedTokens ?? [],
    }));
}

function joined(parts: readonly DomainBundle[]): DomainBundle {
  const certificates = new Set(parts.flatMap(({ anchors }) => anchors.match(CERTIFICATE) ?? []));
  const anchors = [...certificates].map((certificate) => `${certificate}\n`).join('');
  const revokedTokens = [...new Set(parts.flatMap((part) => part.revokedTokens ?? []))];
  const crls = joinedCrls(...parts.map((part) => part.crls ?? ''));
  return { anchors, keys: joinedKeys(...parts.map(({ keys }) => keys)), crls, revokedTokens };
}
