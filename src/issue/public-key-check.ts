// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { checkP256PublicKey, isP256 } from './public-key.ts';

/** RSA moduli that a module may bring, in bits: SP 800-57 part 1 asks for 2048; longer than 4096 only costs time. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;
const MIN_RSA_EXPONENT = 65_537n;
/** FIPS 186-5 5.4 (e): an exponent below 2^256. */
const MAX_RSA_EXPONENT = 1n << 256n;
/** More than any key that is accepted takes. */
const MAX_SPKI_BYTES = 1024;

/**
 * Throws ProfileViolation unless `spki` is a SubjectPublicKeyInfo (DER) of a key that a module may have: EC on P-256 or
 * P-384 with the point on the curve, or RSA of 2048 to 4096 bits that is not weak in a way that the public half shows.
 */
export function checkPublicKey(spki: Buffer): void {
  if (isP256(spki)) {
    checkP256PublicKey(spki);
    return;
  }
  const key = parsed(spki);
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  // OpenSSL refuses points that are not on the curve while it reads them.
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'secp384r1') return;
  if (key.asymmetricKeyType === 'rsa') {
    checkRsa(key);
    return;
  }
  throw violation('EC-P256, EC-P384 or RSA', [key.asymmetricKeyType, namedCurve].filter(Boolean).join(' '));
}

/** One key has one form here, or it could be brought twice without being recognised. */
function parsed(spki: Buffer): KeyObject {
  if (spki.length > MAX_SPKI_BYTES) throw violation(`at most ${MAX_SPKI_BYTES} bytes`, `${spki.length}`);
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    if (key.export({ format: 'der', type: 'spki' }).equals(spki)) return key;
  } catch {
    // Told below, in one way for all that cannot be read.
  }
  const found = `${spki.length} bytes that start with ${spki.toString('hex', 0, 12) || 'nothing'}`;
  throw violation('SubjectPublicKeyInfo in DER, its only form', found);
}

function checkRsa(key: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) {
    throw violation(`an RSA modulus of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`, `${modulusLength}`);
  }
  const exponentFits = publicExponent >= MIN_RSA_EXPONENT && publicExponent < MAX_RSA_EXPONENT;
  if (!exponentFits || publicExponent % 2n === 0n) {
    throw violation(`an odd RSA exponent from ${MIN_RSA_EXPONENT}`, `${publicExponent}`.slice(0, 40));
  }
  const modulus = modulusOf(key);
  const factor = SMALL_PRIMES.find((prime) => modulus % prime === 0n);
  if (factor !== undefined) throw violation('an RSA modulus without small factors', `one divisible by ${factor}`);
  if (isRocaModulus(modulus)) {
    throw violation('an RSA key of a sound generator', 'one with the mark of CVE-2017-15361 (ROCA)');
  }
}

function modulusOf(key: KeyObject): bigint {
  const { n = '' } = key.export({ format: 'jwk' });
  return BigInt(`0x${Buffer.from(n, 'base64url').toString('hex') || '0'}`);
}

/** All primes below 752, which certificate authorities look for (Baseline Requirements 6.1.6). */
const SMALL_PRIMES: readonly bigint[] = primesBelow(752);

function primesBelow(limit: number): bigint[] {
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes.map(BigInt);
}

/** Primes of the published fingerprint of ROCA (Nemec et al., CCS 2017): modulo each, such a modulus is a power of 65537. */
const ROCA_PRIMES: readonly bigint[] = [
  11n,
  13n,
  17n,
  19n,
  37n,
  53n,
  61n,
  71n,
  73n,
  79n,
  97n,
  103n,
  107n,
  109n,
  127n,
  151n,
  157n,
];

function isRocaModulus(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const wanted = modulus % prime;
    let power = 1n;
    for (let order = 1n; order < prime; order++) {
      if (power === wanted) return true;
      power = (power * 65_537n) % prime;
    }
    return false;
  });
}

function violation(expected: string, found: string): KeysteadError {
  return new KeysteadError('ProfileViolation', `public key: expected ${expected}, found ${found}`);
}
