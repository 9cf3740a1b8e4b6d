// SPDX-License-Identifier: Apache-2.0
import type { KeyAlgorithm, KeyAttributes } from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import { ecPublicKey, rsaPublicKey } from './key-algorithm.ts';
import { checkedAttributes, findObjects, readAttributes, unfit } from './objects.ts';

/** A key pair as it lies on the token in one session. */
export interface KeyPairObjects {
  readonly privateKey: Handle;
  readonly id: Buffer;
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly attributes: KeyAttributes;
}

/**
 * The key pair with this label; undefined where there is no private key of that label. Throws KeyUnfit where there
 * are several, where the public half is missing, or where the attributes are not those of a key that cannot leave.
 */
export function findKeyPair(cryptoki: Cryptoki, session: Handle, label: string): KeyPairObjects | undefined {
  const found = findObjects(cryptoki, session, [
    { type: CK.CKA_CLASS, value: CK.CKO_PRIVATE_KEY },
    { type: CK.CKA_TOKEN, value: true },
    { type: CK.CKA_LABEL, value: label },
  ]);
  const [privateKey] = found;
  if (!privateKey) return undefined;
  if (found.length > 1) throw unfit(label, 'one private key with this label', `${found.length}`);
  const [keyType, id] = readAttributes(cryptoki, session, privateKey, [CK.CKA_KEY_TYPE, CK.CKA_ID]);
  const attributes = checkedAttributes(cryptoki, session, { handle: privateKey, label, origin: 'Generated' });
  const fields = { privateKey, id: Buffer.from(id), attributes };
  return { ...fields, ...readPublicKey(cryptoki, session, { label, id, keyType: numberOf(keyType) }) };
}

function readPublicKey(
  cryptoki: Cryptoki,
  session: Handle,
  key: { readonly label: string; readonly id: Buffer; readonly keyType: number },
): { algorithm: KeyAlgorithm; publicKey: Buffer } {
  const [object] = findObjects(cryptoki, session, [
    { type: CK.CKA_CLASS, value: CK.CKO_PUBLIC_KEY },
    { type: CK.CKA_LABEL, value: key.label },
    { type: CK.CKA_ID, value: key.id },
  ]);
  if (!object) throw unfit(key.label, 'a public key object beside the private one', 'none');
  if (key.keyType === CK.CKK_EC) {
    const [parameters, point] = readAttributes(cryptoki, session, object, [CK.CKA_EC_PARAMS, CK.CKA_EC_POINT]);
    return ecPublicKey(parameters, point);
  }
  if (key.keyType !== CK.CKK_RSA) throw unfit(key.label, 'an EC or RSA key', `CKA_KEY_TYPE ${key.keyType}`);
  const [modulus, exponent] = readAttributes(cryptoki, session, object, [CK.CKA_MODULUS, CK.CKA_PUBLIC_EXPONENT]);
  return rsaPublicKey(modulus, exponent);
}

/** A CK_ULONG attribute. */
export function numberOf(value: Buffer): number {
  return value.readUIntLE(0, Math.min(value.length, 6));
}
