// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, randomBytes } from 'node:crypto';
import { TPM_ALG, TPMA_OBJECT } from '../../../src/tpm/constants.ts';
import { makeCredential } from '../../../src/tpm/credential.ts';
import { digest, hmac, kdfA } from '../../../src/tpm/key-derivation.ts';
import { encodePublic, nameOf, type PublicArea } from '../../../src/tpm/public-area.ts';
import { shareSecret } from '../../../src/tpm/shared-secret.ts';
import { sized, u16 } from '../../../src/tpm/writer.ts';

const HASH = TPM_ALG.sha256;

/** What a service that enrols TPMs does: wraps an HMAC key for endorsement key and storage key (Part 1, 23.3). */
export function wrapKey(keys: { endorsement: PublicArea; storage: PublicArea }, secret: Buffer): Buffer {
  const seedValue = randomBytes(32);
  const publicArea = encodePublic({
    type: TPM_ALG.keyedHash,
    nameAlgorithm: HASH,
    attributes: TPMA_OBJECT.userWithAuth | TPMA_OBJECT.noDictionaryAttack | TPMA_OBJECT.sign,
    policy: Buffer.alloc(0),
    scheme: { algorithm: TPM_ALG.hmac, hash: HASH },
    unique: digest(HASH, seedValue, secret),
  });
  const name = nameOf(publicArea, HASH);
  const sensitive = sized(Buffer.concat([u16(TPM_ALG.keyedHash), sized(), sized(seedValue), sized(secret)]));
  const innerKey = randomBytes(16);
  const inner = cfb(innerKey, Buffer.concat([sized(digest(HASH, sensitive, name)), sensitive]));
  const seed = shareSecret(keys.storage, 'DUPLICATE');
  const outer = cfb(kdfA(seed.secret, { hash: HASH, label: 'STORAGE', first: name, bits: 128 }), inner);
  const integrityKey = kdfA(seed.secret, { hash: HASH, label: 'INTEGRITY', bits: 256 });
  const duplicate = Buffer.concat([sized(hmac(HASH, integrityKey, outer, name)), outer]);
  const storageName = nameOf(encodePublic(keys.storage), HASH);
  const credential = makeCredential(keys.endorsement, storageName, innerKey);
  return Buffer.concat([
    sized(credential.blob),
    sized(credential.encryptedSecret),
    sized(duplicate),
    sized(seed.encrypted),
    sized(publicArea),
    sized(),
  ]);
}

function cfb(key: Buffer, content: Buffer): Buffer {
  const cipher = createCipheriv('aes-128-cfb', key, Buffer.alloc(16));
  return Buffer.concat([cipher.update(content), cipher.final()]);
}
