// SPDX-License-Identifier: Apache-2.0
import { X509Certificate, type KeyObject } from 'node:crypto';
import type { EdgeDevice } from '../api/v1alpha1/index.ts';
import { crlsIn, isSignedBy, readCrl, type Crl } from '../issue/crl-reader.ts';
import { crlPemOf } from '../issue/pem.ts';
import { identifiesKey } from '../issue/public-key.ts';

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The lists of several places, PEM: of each CA the one with the greatest number, in an order that does not change. */
export function joinedCrls(...pems: readonly string[]): string {
  const newest = new Map<string, { readonly number: number; readonly der: Buffer }>();
  for (const der of pems.flatMap(crlsIn)) {
    const crl = read(der);
    const known = crl && newest.get(crl.authority);
    if (crl && (!known || known.number < crl.number)) newest.set(crl.authority, { number: crl.number, der });
  }
  const ordered = [...newest].sort(([left], [right]) => (left < right ? -1 : 1));
  return ordered.map(([, { der }]) => crlPemOf(der)).join('');
}

/**
 * The lists that a device reports, as far as one of its own CAs has signed them, in its own name: a list that stands in
 * the place of another device's would make verifiers refuse that one's certificates, or take its revoked ones.
 */
export function deviceCrls({ status }: EdgeDevice): string {
  const keys = (status?.issuer?.anchors?.match(PEM_CERTIFICATE) ?? []).map((pem) => new X509Certificate(pem).publicKey);
  const own = crlsIn(status?.revocation?.crl ?? '').filter((der) => {
    const crl = read(der);
    return crl !== undefined && keys.some((key) => isOf(crl, key));
  });
  return own.map(crlPemOf).join('');
}

function isOf(crl: Crl, key: KeyObject): boolean {
  const spki = key.export({ type: 'spki', format: 'der' });
  return identifiesKey(Buffer.from(crl.authority, 'hex'), spki) && isSignedBy(crl, key);
}

export function crlCount(pem: string): number {
  return crlsIn(pem).length;
}

function read(der: Buffer): Crl | undefined {
  try {
    return readCrl(der);
  } catch {
    return undefined;
  }
}
