// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { checkPublicKey } from '../../../src/issue/public-key-check.ts';
import { freshPublicKey } from './samples.ts';

/** SubjectPublicKeyInfo of an RSA key with this modulus. */
function rsa(modulus: bigint, exponent = 65_537): Buffer {
  const n = Buffer.from(modulus.toString(16).padStart(512, '0'), 'hex').toString('base64url');
  const hex = exponent.toString(16);
  const e = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

const spki = (pair: { publicKey: { export(options: { type: 'spki'; format: 'der' }): Buffer } }): Buffer =>
  pair.publicKey.export({ type: 'spki', format: 'der' });
const SOUND = generateKeyPairSync('rsa', { modulusLength: 2048 });
const N = BigInt(`0x${Buffer.from(SOUND.publicKey.export({ format: 'jwk' }).n!, 'base64url').toString('hex')}`);
/** A power of 65537 modulo every prime of the fingerprint, and coprime to small ones: the form of a ROCA modulus. */
const ROCA = ((): bigint => {
  const primes = [11n, 13n, 17n, 19n, 37n, 53n, 61n, 71n, 73n, 79n, 97n, 103n, 107n, 109n, 127n, 151n, 157n];
  const product = primes.reduce((all, prime) => all * prime, 1n);
  let candidate = 65_537n ** 5n % product;
  while (candidate.toString(2).length < 2048) candidate += product << 1_940n;
  while (candidate % 2n === 0n || smallFactor(candidate)) candidate += product;
  return candidate;
})();
function smallFactor(n: bigint): boolean {
  for (let d = 3n; d < 752n; d += 2n) if (n % d === 0n) return true;
  return false;
}

describe('a public key that a module brings', () => {
  it.each([
    ['P-256', freshPublicKey()],
    ['P-384', freshPublicKey('P-384')],
    ['RSA 2048', spki(SOUND)],
  ])('is taken: %s', (_, key) => expect(() => checkPublicKey(key)).not.toThrow());

  it.each([
    ['P-521', freshPublicKey('P-521'), 'expected EC-P256, EC-P384 or RSA, found ec secp521r1'],
    ['secp256k1', freshPublicKey('secp256k1'), 'secp256k1'],
    ['Ed25519', spki(generateKeyPairSync('ed25519')), 'ed25519'],
    ['RSA 1024', spki(generateKeyPairSync('rsa', { modulusLength: 1024 })), '2048 to 4096 bits, found 1024'],
    ['RSA with exponent 3', rsa(N, 3), 'exponent'],
    ['RSA with an even exponent', rsa(N, 65_538), 'exponent'],
    ['RSA with a small factor', rsa(N - (N % 751n)), 'divisible by'],
    ['RSA with the mark of ROCA', rsa(ROCA), 'ROCA'],
    ['nothing', Buffer.alloc(0), 'SubjectPublicKeyInfo'],
    ['bytes behind the key', Buffer.concat([freshPublicKey('P-384'), Buffer.of(0)]), 'SubjectPublicKeyInfo'],
    ['a megabyte', Buffer.alloc(1 << 20), 'at most 1024 bytes'],
  ])('is refused: %s', (_, key, message) => {
    expect(() => checkPublicKey(key)).toThrow(
      expect.objectContaining({ code: 'ProfileViolation', message: expect.stringContaining(message) }),
    );
  });

  it('is refused where its point is not on P-384', () => {
    const key = Buffer.from(freshPublicKey('P-384'));
    key[key.length - 1]! ^= 1;
    expect(() => checkPublicKey(key)).toThrow(expect.objectContaining({ code: 'ProfileViolation' }));
  });
});
