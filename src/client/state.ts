// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { KeysteadError } from '../errors.ts';

/** A module's identity between two changes. PEM throughout. */
export interface IdentityState {
  readonly spiffeId: string;
  /** Leaf first. */
  readonly chain: string;
  /** PKCS#8; undefined where the key is in the node's token. */
  readonly privateKey: string | undefined;
  readonly trustAnchors: string;
  /** Milliseconds since the Unix epoch. */
  readonly notAfter: number;
}

/** Takes apart what was read. Throws Unavailable where it is not a whole identity. */
export function identityState(read: Pick<IdentityState, 'chain' | 'privateKey' | 'trustAnchors'>): IdentityState {
  const leaf = new X509Certificate(read.chain);
  const spiffeId = spiffeIdOf(leaf);
  if (spiffeId === undefined) throw new KeysteadError('Unavailable', 'the certificate has no SPIFFE ID');
  return { ...read, spiffeId, notAfter: leaf.validToDate.getTime() };
}

/** The SPIFFE ID in a certificate (X.509-SVID, section 2); undefined where it has none, or several. */
export function spiffeIdOf(certificate: Pick<X509Certificate, 'subjectAltName'>): string | undefined {
  const ids = [...(certificate.subjectAltName ?? '').matchAll(/(?:^|, )URI:(spiffe:\/\/[^,\s"]+)/g)];
  return ids.length === 1 ? ids[0]?.[1] : undefined;
}
