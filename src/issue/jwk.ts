// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { checkP256PublicKey } from './public-key.ts';

/** A P-256 public key as RFC 7518, section 6.2.1, writes it. */
export interface EcJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  /** Coordinates, 32 octets each, base64url. */
  readonly x: string;
  readonly y: string;
}

const COORDINATE_BYTES = 32;

/** The JWK of a SubjectPublicKeyInfo (DER). Throws ProfileViolation unless it is a P-256 key. */
export function p256Jwk(spki: Buffer): EcJwk {
  checkP256PublicKey(spki);
  const point = spki.subarray(-2 * COORDINATE_BYTES);
  return {
    kty: 'EC',
    crv: 'P-256',
    x: point.toString('base64url', 0, COORDINATE_BYTES),
    y: point.toString('base64url', COORDINATE_BYTES),
  };
}

/** RFC 7638: SHA-256 over the required members in lexical order, base64url; the key's `kid`. */
export function thumbprint({ crv, kty, x, y }: EcJwk): string {
  return hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
}

/** RFC 7518, section 3.4: an ECDSA-Sig-Value (DER) as the two integers, 32 octets each, that ES256 wants. */
export function es256Signature(der: Buffer): Buffer {
  const reader = new DerReader(der).enter(TAG.sequence, 'ECDSA-Sig-Value');
  const [r, s] = [reader.read(TAG.integer, 'r'), reader.read(TAG.integer, 's')];
  const out = Buffer.alloc(2 * COORDINATE_BYTES);
  place(r, out, COORDINATE_BYTES);
  place(s, out, 2 * COORDINATE_BYTES);
  return out;
}

/** Copies an unsigned integer without its leading zero so that it ends at `end`. */
function place(integer: Buffer, out: Buffer, end: number): void {
  const digits = integer[0] === 0 ? integer.subarray(1) : integer;
  if (digits.length > COORDINATE_BYTES) {
    throw new KeysteadError('Internal', `signature: expected integers of at most 32 octets, found ${digits.length}`);
  }
  digits.copy(out, end - digits.length);
}
