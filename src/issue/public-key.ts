// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { bitString, sequence, TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { OID } from './object-identifiers.ts';

const P256_SPKI_BYTES = 91;
const P256_PREFIX_BYTES = 27;
/** SubjectPublicKeyInfo of a P-256 key up to the point: AlgorithmIdentifier and the BIT STRING's header (RFC 5480). */
const P256_PREFIX = sequence(
  sequence(OID.ecPublicKey, OID.secp256r1),
  bitString(Buffer.concat([Buffer.of(4), Buffer.alloc(64)])),
).subarray(0, P256_PREFIX_BYTES);

/** Domain parameters of P-256 (SEC 2, 2.4.2): y² = x³ − 3x + b over the prime field p. */
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/**
 * Throws ProfileViolation unless `spki` is a P-256 SubjectPublicKeyInfo in its one DER form, uncompressed, with the
 * point on the curve. P-256 has cofactor 1, so a point on the curve other than infinity is a valid key (SP 800-56A
 * 5.6.2.3.3); infinity has no uncompressed form.
 */
export function checkP256PublicKey(spki: Buffer): void {
  if (!isP256(spki)) {
    throw violation(`SubjectPublicKeyInfo of an uncompressed P-256 key (${P256_SPKI_BYTES} bytes)`, describe(spki));
  }
  const x = BigInt(`0x${spki.toString('hex', 27, 59)}`);
  const y = BigInt(`0x${spki.toString('hex', 59, 91)}`);
  if (x >= P || y >= P || (y * y - (x * x - 3n) * x - B) % P !== 0n) {
    throw violation('a point on P-256', 'a point that is not on the curve');
  }
}

/** Whether the bytes have the form of an uncompressed P-256 key; the point may still lie off the curve. */
export function isP256(spki: Buffer): boolean {
  return spki.length === P256_SPKI_BYTES && P256_PREFIX.equals(spki.subarray(0, P256_PREFIX_BYTES));
}

/** SubjectPublicKeyInfo from an uncompressed point. */
export function ecPublicKeyInfo(curve: Buffer, point: Buffer): Buffer {
  return sequence(sequence(OID.ecPublicKey, curve), bitString(point));
}

/**
 * Key identifier of a public key: leftmost 160 bits of the SHA-256 of the BIT STRING's octets (RFC 7093 section 2,
 * method 1). SHA-1 as of RFC 5280 would do as well, but FIPS modules no longer offer it.
 */
export function keyIdentifier(spki: Buffer): Buffer {
  return hash('sha256', keyOctets(spki), 'buffer').subarray(0, 20);
}

/** Whether an identifier is a key's own: as above, or its SHA-1 (RFC 5280 4.2.1.2), which CAs made elsewhere have. */
export function identifiesKey(identifier: Buffer, spki: Buffer): boolean {
  return identifier.equals(keyIdentifier(spki)) || identifier.equals(hash('sha1', keyOctets(spki), 'buffer'));
}

function keyOctets(spki: Buffer): Buffer {
  // The point begins with the last octet of the prefix. A shortcut for every leaf.
  if (isP256(spki)) return spki.subarray(P256_PREFIX_BYTES - 1);
  const info = new DerReader(spki).enter(TAG.sequence, 'SubjectPublicKeyInfo');
  info.read(TAG.sequence, 'algorithm');
  const bits = info.read(TAG.bitString, 'subjectPublicKey');
  info.end('SubjectPublicKeyInfo');
  return bits.subarray(1);
}

function describe(spki: Buffer): string {
  return `${spki.length} bytes that start with ${spki.toString('hex', 0, 12) || 'nothing'}`;
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `public key: expected ${expected}, found ${found}`);
}
