// SPDX-License-Identifier: Apache-2.0
import {
  constants,
  createHmac,
  createPrivateKey,
  createSecretKey,
  privateEncrypt,
  sign,
  type KeyObject,
} from 'node:crypto';
import { KeysteadError } from '../../../errors.ts';
import { SIGNATURE_ALGORITHMS } from '../../../issue/signature-algorithm.ts';
import { sha256DigestInfo } from '../digest-info.ts';
import type { HeldCipher, HeldKey, HeldSecret, KeyAlgorithm, KeyAttributes, SecretOrigin } from '../port.ts';
import { gcmDecrypt, gcmEncrypt, IV_BYTES } from './gcm.ts';
import type { KeyFile } from './key-file.ts';

/** Said as it is: who has the node's disk and the passphrase, or this process's memory, has the key. */
function attributesOf(origin: SecretOrigin): KeyAttributes {
  return { sensitive: false, extractable: true, neverExtractable: false, local: origin === 'Generated' };
}

function describe({ label, kind, origin }: KeyFile): Pick<HeldKey, 'label' | 'uri' | 'attributes'> {
  const uri = `software:object=${encodeURIComponent(label)};type=${kind.toLowerCase()}`;
  return { label, uri, attributes: attributesOf(origin) };
}

/** A key pair in this process's memory. */
export function softwareKey(file: KeyFile, algorithm: KeyAlgorithm, pkcs8: Buffer): HeldKey {
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    ...describe(file),
    algorithm,
    publicKey: file.publicKey ?? Buffer.alloc(0),
    sign: (message) => sign(SIGNATURE_ALGORITHMS[algorithm].digest, message, key),
    signDigest: (digest) => signDigest(key, algorithm, digest),
  };
}

/** OpenSSL, as Node binds it, hashes what ECDSA signs; RSASSA-PKCS1-v1_5 is an encryption of the DigestInfo. */
function signDigest(key: KeyObject, algorithm: KeyAlgorithm, digest: Buffer): Buffer {
  if (algorithm.startsWith('EC-')) {
    const remedy = 'send the message itself, or use a token or TPM';
    throw new KeysteadError('MechanismMissing', `software keys have no ECDSA of a bare digest; ${remedy}`);
  }
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, sha256DigestInfo(digest));
}

export function softwareSecret(file: KeyFile, value: Buffer): HeldSecret {
  const key = createSecretKey(value);
  return { ...describe(file), hmac: (message) => createHmac('sha256', key).update(message).digest() };
}

export function softwareCipher(file: KeyFile, value: Buffer): HeldCipher {
  const key = createSecretKey(value);
  return {
    ...describe(file),
    encrypt: (iv, aad, plaintext) => gcmEncrypt(key, checkedIv(iv), aad, plaintext),
    decrypt: (iv, aad, ciphertext) => gcmDecrypt(key, checkedIv(iv), aad, ciphertext) ?? notOurs(),
  };
}

function checkedIv(iv: Buffer): Buffer {
  if (iv.length === IV_BYTES) return iv;
  throw new KeysteadError('InvalidRequest', `AES-GCM: expected an IV of ${IV_BYTES} octets, found ${iv.length}`);
}

function notOurs(): never {
  const meaning = 'it was not encrypted with this key, IV and associated data, or was altered';
  throw new KeysteadError('InvalidRequest', `AES-GCM: the tag does not fit; ${meaning}`);
}
