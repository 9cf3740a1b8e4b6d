// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { KeysteadError } from '../../errors.ts';
import type { ServedIdentity } from '../port.ts';
import { certificatesDer, privateKeyDer } from './pem-to-der.ts';

/** A served identity, taken apart. */
export interface Leaf extends ServedIdentity {
  readonly spiffeId: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** DER certificates one behind the other, leaf first. */
  readonly chainDer: Uint8Array;
  /** PKCS#8; undefined for a key in the token. */
  readonly keyDer: Uint8Array | undefined;
}

/** Kept as long as the credentials are: streams and callers of one pod ask for the same again. */
const leaves = new WeakMap<ServedIdentity['credentials'], Leaf>();

export function leafOf(served: ServedIdentity): Leaf {
  const known = leaves.get(served.credentials);
  if (known) return known;
  const { chain, privateKey } = served.credentials;
  const certificate = new X509Certificate(chain);
  const spiffeId = /(?:^|, )URI:(spiffe:\/\/[^,\s]+)/.exec(certificate.subjectAltName ?? '')?.[1];
  if (spiffeId === undefined) throw new KeysteadError('Internal', `${served.identity} holds no X.509-SVID`);
  const notAfter = certificate.validToDate.getTime();
  const keyDer = privateKey === undefined ? undefined : privateKeyDer(privateKey);
  const leaf = { ...served, spiffeId, notAfter, chainDer: certificatesDer(chain), keyDer };
  leaves.set(served.credentials, leaf);
  return leaf;
}

/**
 * What has not expired, the identity of the socket's own volume first: the default one. Throws Unavailable where nothing
 * is left.
 */
export function currentLeaves(served: readonly ServedIdentity[], first: string | undefined, now: number): Leaf[] {
  const current = served.map(leafOf).filter(({ notAfter }) => notAfter > now);
  if (current.length === 0) {
    throw new KeysteadError('Unavailable', 'the certificate has expired and could not be renewed yet; see the events');
  }
  const rank = ({ identity }: Leaf): number => (identity === first ? 0 : 1);
  // Stable: the rest stays in the order of names.
  return current.sort((left, right) => rank(left) - rank(right));
}

/** `spiffe://<trust domain>` of a SPIFFE ID. */
export function trustDomainIdOf(spiffeId: string): string {
  return /^spiffe:\/\/[^/]+/.exec(spiffeId)?.[0] ?? spiffeId;
}
