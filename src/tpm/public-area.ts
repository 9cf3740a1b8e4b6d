// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, type KeyObject } from 'node:crypto';
import { KeysteadError, type ErrorCode } from '../errors.ts';
import { bitString, NULL, sequence, unsignedInteger } from '../issue/der.ts';
import { OID } from '../issue/object-identifiers.ts';
import { ecPublicKeyInfo } from '../issue/public-key.ts';
import { TPM_ALG, TPM_ECC, TPMA_OBJECT } from './constants.ts';
import { digest } from './key-derivation.ts';
import { TpmReader } from './reader.ts';
import { EMPTY, sized, u16, u32 } from './writer.ts';

/** TPMT_SYM_DEF_OBJECT (Part 2, 11.1.7); undefined where the TPM says TPM_ALG_NULL. */
export interface Symmetric {
  readonly algorithm: number;
  readonly bits: number;
  readonly mode: number;
}

/** A scheme with its digest (TPMT_ASYM_SCHEME, TPMT_KEYEDHASH_SCHEME); undefined where the TPM says TPM_ALG_NULL. */
export interface Scheme {
  readonly algorithm: number;
  readonly hash: number;
}

interface Common {
  readonly nameAlgorithm: number;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  readonly policy: Buffer;
}

export interface RsaArea extends Common {
  readonly type: typeof TPM_ALG.rsa;
  readonly symmetric: Symmetric | undefined;
  readonly scheme: Scheme | undefined;
  readonly bits: number;
  /** 0 stands for 65537. */
  readonly exponent: number;
  readonly modulus: Buffer;
}

export interface EccArea extends Common {
  readonly type: typeof TPM_ALG.ecc;
  readonly symmetric: Symmetric | undefined;
  readonly scheme: Scheme | undefined;
  readonly curve: number;
  readonly x: Buffer;
  readonly y: Buffer;
}

export interface KeyedHashArea extends Common {
  readonly type: typeof TPM_ALG.keyedHash;
  readonly scheme: Scheme | undefined;
  readonly unique: Buffer;
}

/** TPMT_PUBLIC (Part 2, 12.2.4): what a TPM says in public of an object. */
export type PublicArea = RsaArea | EccArea | KeyedHashArea;

/** TPMT_PUBLIC as octets. */
export function encodePublic(area: PublicArea): Buffer {
  const common = [u16(area.type), u16(area.nameAlgorithm), u32(area.attributes), sized(area.policy)];
  switch (area.type) {
    case TPM_ALG.rsa: {
      const parameters = [symmetric(area.symmetric), scheme(area.scheme), u16(area.bits), u32(area.exponent)];
      return Buffer.concat([...common, ...parameters, sized(area.modulus)]);
    }
    case TPM_ALG.ecc: {
      // The last one is the key derivation scheme, which TPMs only support as TPM_ALG_NULL.
      const parameters = [symmetric(area.symmetric), scheme(area.scheme), u16(area.curve), u16(TPM_ALG.null)];
      return Buffer.concat([...common, ...parameters, sized(area.x), sized(area.y)]);
    }
    case TPM_ALG.keyedHash:
      return Buffer.concat([...common, scheme(area.scheme), sized(area.unique)]);
  }
}

function symmetric(value: Symmetric | undefined): Buffer {
  return value ? Buffer.concat([u16(value.algorithm), u16(value.bits), u16(value.mode)]) : u16(TPM_ALG.null);
}

function scheme(value: Scheme | undefined): Buffer {
  return value ? Buffer.concat([u16(value.algorithm), u16(value.hash)]) : u16(TPM_ALG.null);
}

/** Reads a whole TPMT_PUBLIC. Types other than RSA, ECC and keyed hash are refused. */
export function parsePublic(octets: Buffer, code: ErrorCode = 'TokenFailed'): PublicArea {
  const reader = new TpmReader(octets, 'TPMT_PUBLIC', code);
  const type = reader.u16();
  const common = { nameAlgorithm: reader.u16(), attributes: reader.u32(), policy: reader.sized() };
  const area = parseTyped(reader, type, common);
  reader.end();
  return area;
}

function parseTyped(reader: TpmReader, type: number, common: Common): PublicArea {
  switch (type) {
    case TPM_ALG.rsa: {
      const schemes = { symmetric: readSymmetric(reader), scheme: readScheme(reader) };
      return { ...common, type, ...schemes, bits: reader.u16(), exponent: reader.u32(), modulus: reader.sized() };
    }
    case TPM_ALG.ecc: {
      const schemes = { symmetric: readSymmetric(reader), scheme: readScheme(reader) };
      const curve = reader.u16();
      if (reader.u16() !== TPM_ALG.null) throw reader.fail('a key derivation scheme');
      return { ...common, type, ...schemes, curve, x: reader.sized(), y: reader.sized() };
    }
    case TPM_ALG.keyedHash:
      return { ...common, type, scheme: readScheme(reader), unique: reader.sized() };
    default:
      throw reader.fail(`object type 0x${type.toString(16)}`);
  }
}

function readSymmetric(reader: TpmReader): Symmetric | undefined {
  const algorithm = reader.u16();
  return algorithm === TPM_ALG.null ? undefined : { algorithm, bits: reader.u16(), mode: reader.u16() };
}

const SCHEMES_WITH_HASH: ReadonlySet<number> = new Set([
  TPM_ALG.hmac,
  TPM_ALG.rsassa,
  TPM_ALG.rsapss,
  TPM_ALG.ecdsa,
  0x17, // RSAES-OAEP
  0x19, // ECDH
]);

function readScheme(reader: TpmReader): Scheme | undefined {
  const algorithm = reader.u16();
  if (algorithm === TPM_ALG.null) return undefined;
  if (!SCHEMES_WITH_HASH.has(algorithm)) throw reader.fail(`scheme 0x${algorithm.toString(16)}`);
  return { algorithm, hash: reader.u16() };
}

/** The name of an object: digest of its public area behind the digest's number (Part 1, 16). */
export function nameOf(publicArea: Buffer, nameAlgorithm: number): Buffer {
  if (nameAlgorithm === TPM_ALG.null) return EMPTY;
  return Buffer.concat([u16(nameAlgorithm), digest(nameAlgorithm, publicArea)]);
}

const CURVES: ReadonlyMap<number, { readonly identifier: Buffer; readonly bytes: number }> = new Map([
  [TPM_ECC.p256, { identifier: OID.secp256r1, bytes: 32 }],
  [TPM_ECC.p384, { identifier: OID.secp384r1, bytes: 48 }],
]);

/** SubjectPublicKeyInfo (DER) of an RSA or ECC object. Throws KeyUnfit for others and for curves that are not in use. */
export function publicKeyInfo(area: PublicArea): Buffer {
  if (area.type === TPM_ALG.rsa) {
    const key = sequence(unsignedInteger(area.modulus), unsignedInteger(u32(area.exponent || 65537)));
    return sequence(sequence(OID.rsaEncryption, NULL), bitString(key));
  }
  const curve = area.type === TPM_ALG.ecc ? CURVES.get(area.curve) : undefined;
  if (area.type !== TPM_ALG.ecc || !curve || area.x.length > curve.bytes || area.y.length > curve.bytes) {
    throw new KeysteadError('KeyUnfit', 'TPM key: expected RSA, or ECC on P-256 or P-384, found another object');
  }
  const [x, y] = [leftPadded(area.x, curve.bytes), leftPadded(area.y, curve.bytes)];
  return ecPublicKeyInfo(curve.identifier, Buffer.concat([Buffer.of(4), x, y]));
}

/** The same for Node's verification. Throws KeyUnfit also for what is no point on the curve. */
export function publicKeyObject(area: PublicArea): KeyObject {
  const key = publicKeyInfo(area);
  try {
    return createPublicKey({ key, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new KeysteadError('KeyUnfit', 'TPM key: expected a valid public key, found none', { cause });
  }
}

/** Early TPMs leave leading zeros of coordinates out. */
export function leftPadded(octets: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - octets.length)), octets]);
}

/** Whether all of these TPMA_OBJECT bits are set. */
export function hasAttributes(area: PublicArea, ...bits: readonly (keyof typeof TPMA_OBJECT)[]): boolean {
  return bits.every((bit) => (area.attributes & TPMA_OBJECT[bit]) !== 0);
}
