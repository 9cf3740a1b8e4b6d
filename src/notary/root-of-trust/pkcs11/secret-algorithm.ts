// SPDX-License-Identifier: Apache-2.0
import type { HeldKind } from '../port.ts';
import { CK } from './cryptoki.ts';
import type { Mechanism } from './mechanism.ts';

export type SecretKind = Exclude<HeldKind, 'KeyPair'>;

/** What PKCS#11 needs to know of one kind of symmetric key. */
export interface SecretAlgorithm {
  readonly keyType: number;
  readonly generation: Mechanism;
  readonly use: Mechanism;
  /** The attributes that allow its use; all others are set to false. */
  readonly allowed: readonly number[];
}

export const SECRET_ALGORITHMS: Readonly<Record<SecretKind, SecretAlgorithm>> = {
  Secret: {
    keyType: CK.CKK_GENERIC_SECRET,
    generation: { name: 'CKM_GENERIC_SECRET_KEY_GEN', number: CK.CKM_GENERIC_SECRET_KEY_GEN },
    use: { name: 'CKM_SHA256_HMAC', number: CK.CKM_SHA256_HMAC },
    allowed: [CK.CKA_SIGN],
  },
  Cipher: {
    keyType: CK.CKK_AES,
    generation: { name: 'CKM_AES_KEY_GEN', number: CK.CKM_AES_KEY_GEN },
    use: { name: 'CKM_AES_GCM', number: CK.CKM_AES_GCM },
    allowed: [CK.CKA_ENCRYPT, CK.CKA_DECRYPT],
  },
};

/** Every attribute of a secret key that allows a use. */
export const USES = [
  CK.CKA_SIGN,
  CK.CKA_VERIFY,
  CK.CKA_ENCRYPT,
  CK.CKA_DECRYPT,
  CK.CKA_WRAP,
  CK.CKA_UNWRAP,
  CK.CKA_DERIVE,
] as const;
