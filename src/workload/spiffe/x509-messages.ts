// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from '@bufbuild/protobuf';
import { KeysteadError } from '../../errors.ts';
import { X509SVIDResponseSchema, type X509BundlesResponseSchema } from '../../gen/spiffe/workload_pb.js';
import { encodedOnce } from '../../grpc/message.ts';
import type { DomainBundle } from '../port.ts';
import { anchorsDer, crlsDer, foreignBundles, visibleBundles, type Trusting } from './bundles.ts';
import { currentLeaves, type Leaf } from './leaf.ts';

export type X509SvidResponse = MessageInitShape<typeof X509SVIDResponseSchema>;
export type X509BundlesResponse = MessageInitShape<typeof X509BundlesResponseSchema>;

/** Everything that one pod's answer is made of. */
export interface X509Content extends Trusting {
  /** The identity of the socket's own volume: the default one, svids[0]. */
  readonly first: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * SPIFFE Workload API, section 5.2.1: the full set of the caller's X.509-SVIDs, the default one first. Chain and bundle
 * are DER certificates one behind the other, the key is unencrypted PKCS#8. The hint is the name of the ModuleIdentity,
 * unique in its namespace, so that a module with several finds the right one.
 * An identity whose key is in the token is left out: the API cannot carry it.
 * @throws KeysteadError `Unavailable` where the bundle is not known, or nothing is left that has not expired;
 *   `PermissionDenied` where all keys are in the token.
 */
export function x509Svids({ first, now, ...trusting }: X509Content): X509SvidResponse {
  const leaves = currentLeaves(trusting.served, first, now);
  const federated = foreignBundles(trusting);
  const [defaultLeaf] = leaves;
  const parts = [trusting.trust.own, ...leaves, ...federated.values()];
  const known = defaultLeaf && answers.get(defaultLeaf);
  if (known && isSame(known.parts, parts)) return known.answer;
  const answer = encodedOnce(X509SVIDResponseSchema, answerOf(leaves, trusting.trust.own, federated));
  if (defaultLeaf) answers.set(defaultLeaf, { parts, answer });
  return answer;
}

/** The last answer by its first leaf, with what it was made of: every call gets the same until something changes. */
const answers = new WeakMap<Leaf, { readonly parts: readonly object[]; readonly answer: X509SvidResponse }>();

function isSame(left: readonly object[], right: readonly object[]): boolean {
  return left.length === right.length && left.every((part, index) => part === right[index]);
}

function answerOf(
  leaves: readonly Leaf[],
  own: DomainBundle,
  federated: ReadonlyMap<string, DomainBundle>,
): X509SvidResponse {
  const bundle = anchorsDer(own);
  const svids = leaves.flatMap(({ identity, spiffeId, chainDer, keyDer }) =>
    keyDer ? { spiffeId, x509Svid: chainDer, x509SvidKey: keyDer, bundle, hint: identity } : [],
  );
  if (svids.length === 0) throw inHardware(leaves.map(({ identity }) => identity));
  return {
    svids,
    crl: [...crlsDer(own)],
    federatedBundles: anchorsOf(federated),
  };
}

/** Section 5.2.2: bundles by the SPIFFE ID of their trust domain; the caller's own is always there. */
export function x509Bundles(trusting: Trusting): X509BundlesResponse {
  return { crl: [...crlsDer(trusting.trust.own)], bundles: anchorsOf(visibleBundles(trusting)) };
}

function anchorsOf(bundles: ReadonlyMap<string, DomainBundle>): Record<string, Uint8Array> {
  return Object.fromEntries([...bundles].map(([id, bundle]) => [id, anchorsDer(bundle)]));
}

function inHardware(identities: readonly string[]): KeysteadError {
  const found = `the key of ${identities.join(', ')} is in the node's token and cannot leave it`;
  return new KeysteadError(
    'PermissionDenied',
    `KeyInHardware: ${found}; use the Notary API (keystead.notary.v1alpha1) on this socket`,
  );
}
