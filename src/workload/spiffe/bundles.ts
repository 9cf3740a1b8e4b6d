// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import { crlsIn } from '../../issue/crl-reader.ts';
import type { DomainBundle, IdentityTerms, ServedIdentity, TrustStore } from '../port.ts';
import { leafOf, trustDomainIdOf } from './leaf.ts';
import { certificatesDer } from './pem-to-der.ts';

/** What of the node's trust the identities of one pod may see. */
export interface Trusting {
  readonly served: readonly ServedIdentity[];
  readonly trust: TrustStore;
  readonly terms: (identity: string) => Pick<IdentityTerms, 'federatesWith'> | undefined;
}

/** The node's own bundle, by the SPIFFE IDs of the trust domains that the pod's identities are of: in fact, of one. */
export function ownBundles({ served, trust }: Trusting): Map<string, DomainBundle> {
  return new Map(served.map((identity) => [trustDomainIdOf(leafOf(identity).spiffeId), trust.own]));
}

/** Bundles of other trust domains that one of the identities asks for and this node knows. */
export function foreignBundles({ served, trust, terms }: Trusting): Map<string, DomainBundle> {
  const wanted = new Set(served.flatMap(({ identity }) => terms(identity)?.federatesWith ?? []));
  const found = new Map<string, DomainBundle>();
  for (const name of [...wanted].sort()) {
    const bundle = trust.foreign.get(name);
    if (bundle) found.set(`spiffe://${name}`, bundle);
  }
  return found;
}

/** All that the pod may see; its own is there in any case. */
export function visibleBundles(trusting: Trusting): Map<string, DomainBundle> {
  return new Map([...foreignBundles(trusting), ...ownBundles(trusting)]);
}

/** A bundle's wire forms, made once for each change. */
interface Encoded {
  readonly der: Uint8Array;
  readonly jwks: Uint8Array;
  readonly crls: readonly Uint8Array[];
}

const encodings = new WeakMap<DomainBundle, Encoded>();

function encoded(bundle: DomainBundle): Encoded {
  const known = encodings.get(bundle);
  if (known) return known;
  const made = {
    der: certificatesDer(bundle.anchors),
    jwks: Buffer.from(JSON.stringify({ keys: bundle.keys })),
    crls: crlsIn(bundle.crls ?? ''),
  };
  encodings.set(bundle, made);
  return made;
}

/** DER certificates one behind the other. Throws Unavailable where they are not known yet. */
export function anchorsDer(bundle: DomainBundle): Uint8Array {
  const { der } = encoded(bundle);
  if (der.length > 0) return der;
  throw new KeysteadError('Unavailable', 'the trust bundle is not known yet; ask again');
}

/** Revocation lists, DER each. */
export function crlsDer(bundle: DomainBundle): readonly Uint8Array[] {
  return encoded(bundle).crls;
}

/** JWK Set in JSON (SPIFFE Workload API, section 6.2.2). */
export function jwksBytes(bundle: DomainBundle): Uint8Array {
  return encoded(bundle).jwks;
}
