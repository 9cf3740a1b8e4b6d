// SPDX-License-Identifier: Apache-2.0
import { createCipheriv } from 'node:crypto';
import { KeysteadError } from '../errors.ts';
import { TPM_ALG } from './constants.ts';
import { hashOf, hmac, kdfA } from './key-derivation.ts';
import type { PublicArea } from './public-area.ts';
import { shareSecret } from './shared-secret.ts';
import { sized } from './writer.ts';

/** A secret for whoever holds both an endorsement key and a key of a certain name (Part 1, 24). */
export interface Credential {
  /** TPMS_ID_OBJECT. */
  readonly blob: Buffer;
  /** TPM2B_ENCRYPTED_SECRET without its length. */
  readonly encryptedSecret: Buffer;
}

/**
 * TPM2_MakeCredential in software: only the TPM with this endorsement key opens it, and only while a key of this name
 * is loaded in it. So who knows the secret proves that the attestation key is in that TPM.
 */
export function makeCredential(endorsementKey: PublicArea, name: Buffer, secret: Buffer): Credential {
  const hash = endorsementKey.nameAlgorithm;
  const digestBytes = hashOf(hash).bytes;
  if (secret.length > digestBytes) {
    throw new KeysteadError(
      'InvalidRequest',
      `credential: expected at most ${digestBytes} octets, found ${secret.length}`,
    );
  }
  const cipher = endorsementKey.type === TPM_ALG.keyedHash ? undefined : endorsementKey.symmetric;
  if (cipher?.algorithm !== TPM_ALG.aes || cipher.mode !== TPM_ALG.cfb || ![128, 256].includes(cipher.bits)) {
    throw new KeysteadError('KeyUnfit', 'endorsement key: expected a storage key with AES-CFB, found another');
  }
  const seed = shareSecret(endorsementKey, 'IDENTITY');
  const key = kdfA(seed.secret, { hash, label: 'STORAGE', first: name, bits: cipher.bits });
  // Part 1, 24.4: the initialisation vector is zero, as each key is used once.
  const encryption = createCipheriv(`aes-${cipher.bits}-cfb`, key, Buffer.alloc(16));
  const identity = Buffer.concat([encryption.update(sized(secret)), encryption.final()]);
  const integrityKey = kdfA(seed.secret, { hash, label: 'INTEGRITY', bits: digestBytes * 8 });
  const blob = Buffer.concat([sized(hmac(hash, integrityKey, identity, name)), identity]);
  return { blob, encryptedSecret: seed.encrypted };
}
