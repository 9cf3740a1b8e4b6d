// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { HeldKey, KeyAlgorithm } from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import { ecPublicKey, rsaPublicKey } from './key-algorithm.ts';

/** A key pair as it lies on the token in one session. */
export interface KeyPairObjects {
  readonly privateKey: Handle;
  readonly id: Buffer;
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly attributes: HeldKey['attributes'];
}

type Template = readonly { readonly type: number; readonly value?: Buffer | string | number | boolean }[];

/** More objects than this under one label are not listed one by one. */
const MAX_FOUND = 64;

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
  const attributes = checkedAttributes(cryptoki, session, { privateKey, label });
  const fields = { privateKey, id: Buffer.from(id), attributes };
  return { ...fields, ...readPublicKey(cryptoki, session, { label, id, keyType: numberOf(keyType) }) };
}

/** What makes a key fit to be trusted: it was made on the token, and has never been able to leave it. */
function checkedAttributes(
  cryptoki: Cryptoki,
  session: Handle,
  key: { readonly privateKey: Handle; readonly label: string },
): HeldKey['attributes'] {
  const types = [CK.CKA_SENSITIVE, CK.CKA_EXTRACTABLE, CK.CKA_NEVER_EXTRACTABLE, CK.CKA_LOCAL, CK.CKA_PRIVATE];
  const flags = readAttributes(cryptoki, session, key.privateKey, types).map((value) => value[0] === 1);
  const [sensitive = false, extractable = true, neverExtractable = false, local = false, isPrivate = false] = flags;
  const wrong = [
    sensitive ? [] : ['CKA_SENSITIVE is false'],
    extractable ? ['CKA_EXTRACTABLE is true'] : [],
    neverExtractable ? [] : ['CKA_NEVER_EXTRACTABLE is false'],
    local ? [] : ['CKA_LOCAL is false (it was not made on the token)'],
    isPrivate ? [] : ['CKA_PRIVATE is false'],
  ].flat();
  if (wrong.length > 0) throw unfit(key.label, 'a key made on the token that never could leave it', wrong.join(', '));
  return { sensitive, extractable, neverExtractable, local };
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

/** Handles of the objects that match, up to a bound; the search is ended whatever happens. */
export function findObjects(cryptoki: Cryptoki, session: Handle, template: Template): Handle[] {
  cryptoki.C_FindObjectsInit(session, [...template]);
  try {
    return cryptoki.C_FindObjects(session, MAX_FOUND);
  } finally {
    cryptoki.C_FindObjectsFinal(session);
  }
}

/** Values of attributes, in the order asked for. */
export function readAttributes<const T extends readonly number[]>(
  cryptoki: Cryptoki,
  session: Handle,
  object: Handle,
  types: T,
): { [K in keyof T]: Buffer } {
  const template = types.map((type) => ({ type }));
  const values = cryptoki.C_GetAttributeValue(session, object, template).map(({ value }) => value);
  return values as { [K in keyof T]: Buffer };
}

/** A CK_ULONG attribute. */
function numberOf(value: Buffer): number {
  return value.readUIntLE(0, Math.min(value.length, 6));
}

function unfit(label: string, expected: string, found: string): KeysteadError {
  const remedy = 'destroy it with the tools of the token; the notary then makes a new one';
  return new KeysteadError('KeyUnfit', `key ${JSON.stringify(label)}: expected ${expected}, found ${found}; ${remedy}`);
}
