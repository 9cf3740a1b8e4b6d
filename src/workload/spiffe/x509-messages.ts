// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from '@bufbuild/protobuf';
import { X509Certificate } from 'node:crypto';
import { KeysteadError } from '../../errors.ts';
import type { X509BundlesResponseSchema, X509SVIDResponseSchema } from '../../gen/spiffe/workload_pb.js';
import type { ServedIdentity } from '../port.ts';
import { certificatesDer, privateKeyDer } from './pem-to-der.ts';

export type X509SvidResponse = MessageInitShape<typeof X509SVIDResponseSchema>;
export type X509BundlesResponse = MessageInitShape<typeof X509BundlesResponseSchema>;

/** Everything that one pod's answer is made of. */
export interface X509Content {
  readonly served: readonly ServedIdentity[];
  /** The identity of the socket's own volume: the default one, svids[0]. */
  readonly first: string | undefined;
  /** Trust anchors, PEM. */
  readonly bundle: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * SPIFFE Workload API, section 5.2.1: the full set of the caller's X.509-SVIDs, the default one first. Chain and bundle
 * are DER certificates one behind the other, the key is unencrypted PKCS#8. The hint is the name of the ModuleIdentity,
 * unique in its namespace, so that a module with several finds the right one.
 * @throws KeysteadError `Unavailable` where the bundle is not known, or nothing is left that has not expired.
 */
export function x509Svids({ served, first, bundle, now }: X509Content): X509SvidResponse {
  const anchors = knownBundle(bundle);
  const current = served.map(readLeaf).filter(({ notAfter }) => notAfter > now);
  if (current.length === 0) {
    throw new KeysteadError('Unavailable', 'the certificate has expired and could not be renewed yet; see the events');
  }
  // Stable: the rest stays in the order of names.
  const ordered = [...current].sort((left, right) => rank(left) - rank(right));
  return {
    svids: ordered.map(({ identity, spiffeId, credentials }) => ({
      spiffeId,
      x509Svid: certificatesDer(credentials.chain),
      x509SvidKey: privateKeyDer(credentials.privateKey),
      bundle: anchors,
      hint: identity,
    })),
  };
  function rank({ identity }: Leaf): number {
    return identity === first ? 0 : 1;
  }
}

/** Section 5.2.2: bundles by the SPIFFE ID of their trust domain; the caller's own is always there. */
export function x509Bundles({ served, bundle }: Pick<X509Content, 'served' | 'bundle'>): X509BundlesResponse {
  const anchors = knownBundle(bundle);
  const domains = new Set(served.map((identity) => trustDomainId(readLeaf(identity).spiffeId)));
  return { bundles: Object.fromEntries([...domains].map((domain) => [domain, anchors])) };
}

interface Leaf extends ServedIdentity {
  readonly spiffeId: string;
  readonly notAfter: number;
}

/** What was read of a chain, kept as long as the chain is: streams and callers of one pod ask for the same again. */
const leaves = new WeakMap<ServedIdentity['credentials'], Pick<Leaf, 'spiffeId' | 'notAfter'>>();

function readLeaf(served: ServedIdentity): Leaf {
  const known = leaves.get(served.credentials);
  if (known) return { ...served, ...known };
  const leaf = new X509Certificate(served.credentials.chain);
  const spiffeId = /(?:^|, )URI:(spiffe:\/\/[^,\s]+)/.exec(leaf.subjectAltName ?? '')?.[1];
  if (spiffeId === undefined) throw new KeysteadError('Internal', `${served.identity} holds no X.509-SVID`);
  const read = { spiffeId, notAfter: leaf.validToDate.getTime() };
  leaves.set(served.credentials, read);
  return { ...served, ...read };
}

function trustDomainId(spiffeId: string): string {
  return /^spiffe:\/\/[^/]+/.exec(spiffeId)?.[0] ?? spiffeId;
}

/** The bundle of the node, which all answers share: taken apart once for each change. */
let last = { pem: '', der: certificatesDer('') };

function knownBundle(bundle: string): Uint8Array {
  if (last.pem !== bundle) last = { pem: bundle, der: certificatesDer(bundle) };
  if (last.der.length > 0) return last.der;
  throw new KeysteadError('Unavailable', 'the trust bundle is not known yet; ask again');
}
