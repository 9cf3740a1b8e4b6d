// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { HASHES } from './constants.ts';
import { u32 } from './writer.ts';

/** Node's name and the length of a digest. Throws MechanismMissing for one that Node does not compute. */
export function hashOf(algorithm: number): { readonly name: string; readonly bytes: number } {
  const found = HASHES.get(algorithm);
  if (found) return found;
  const expected = 'SHA-1, SHA-256, SHA-384 or SHA-512';
  throw new KeysteadError('MechanismMissing', `TPM digest: expected ${expected}, found 0x${algorithm.toString(16)}`);
}

/** Digest over the concatenation of the parts. */
export function digest(algorithm: number, ...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash(hashOf(algorithm).name);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function hmac(algorithm: number, key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac(hashOf(algorithm).name, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** What a derived key is made of, besides the secret. */
export interface DerivationContext {
  /** Digest, as TPM_ALG_ID. */
  readonly hash: number;
  /** Says what the key is for; the NUL behind it is part of the derivation. */
  readonly label: string;
  readonly first?: Uint8Array;
  readonly second?: Uint8Array;
  /** Length wanted; whole octets. */
  readonly bits: number;
}

/** KDFa (Part 1, 11.4.10.2): SP 800-108 in counter mode with HMAC. */
export function kdfA(secret: Uint8Array, context: DerivationContext): Buffer {
  const { hash, label, first = Buffer.alloc(0), second = Buffer.alloc(0), bits } = context;
  const fixed = Buffer.concat([Buffer.from(`${label}\0`, 'latin1'), first, second, u32(bits)]);
  return counted(context, (counter) => hmac(hash, secret, counter, fixed));
}

/** KDFe (Part 1, 11.4.10.3): SP 800-56A over the x coordinate of a shared point. */
export function kdfE(shared: Uint8Array, context: DerivationContext): Buffer {
  const { hash, label, first = Buffer.alloc(0), second = Buffer.alloc(0) } = context;
  const fixed = Buffer.concat([Buffer.from(`${label}\0`, 'latin1'), first, second]);
  return counted(context, (counter) => digest(hash, counter, shared, fixed));
}

function counted({ hash, bits }: DerivationContext, block: (counter: Buffer) => Buffer): Buffer {
  const wanted = bits / 8;
  const blocks = Math.ceil(wanted / hashOf(hash).bytes);
  return Buffer.concat(Array.from({ length: blocks }, (_, index) => block(u32(index + 1)))).subarray(0, wanted);
}
