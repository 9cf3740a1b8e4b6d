// SPDX-License-Identifier: Apache-2.0
import { constants, verify, type KeyObject } from 'node:crypto';
import type { ErrorCode } from '../errors.ts';
import { sequence, unsignedInteger } from '../issue/der.ts';
import { HASHES, TPM_ALG } from './constants.ts';
import { TpmReader } from './reader.ts';

/** TPMT_SIGNATURE (Part 2, 11.3.4), as X.509 and Node want it: ECDSA as DER, RSA as it is. */
export interface TpmSignature {
  readonly algorithm: number;
  readonly hash: number;
  readonly octets: Buffer;
}

/** Reads a TPMT_SIGNATURE of RSASSA, RSAPSS or ECDSA. */
export function readSignature(reader: TpmReader): TpmSignature {
  const algorithm = reader.u16();
  switch (algorithm) {
    case TPM_ALG.rsassa:
    case TPM_ALG.rsapss:
      return { algorithm, hash: reader.u16(), octets: reader.sized() };
    case TPM_ALG.ecdsa: {
      const hash = reader.u16();
      return { algorithm, hash, octets: sequence(unsignedInteger(reader.sized()), unsignedInteger(reader.sized())) };
    }
    default:
      throw reader.fail(`signature scheme 0x${algorithm.toString(16)}`);
  }
}

/** A whole TPMT_SIGNATURE. */
export function parseSignature(octets: Buffer, code: ErrorCode = 'TokenFailed'): TpmSignature {
  const reader = new TpmReader(octets, 'TPMT_SIGNATURE', code);
  const signature = readSignature(reader);
  reader.end();
  return signature;
}

/** Key type of Node by signature scheme. */
const KEY_TYPES: ReadonlyMap<number, string> = new Map([
  [TPM_ALG.rsassa, 'rsa'],
  [TPM_ALG.rsapss, 'rsa'],
  [TPM_ALG.ecdsa, 'ec'],
]);

/** Whether a TPM's signature over these octets is good. SHA-1 and unknown digests never are. */
export function isSignatureGood(signature: TpmSignature, content: Buffer, key: KeyObject): boolean {
  const hash = HASHES.get(signature.hash);
  if (!hash || signature.hash === TPM_ALG.sha1) return false;
  if (KEY_TYPES.get(signature.algorithm) !== key.asymmetricKeyType) return false;
  const padding =
    signature.algorithm === TPM_ALG.rsapss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
  return verify(hash.name, content, key.asymmetricKeyType === 'rsa' ? { key, padding } : key, signature.octets);
}
