// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { PublicHalf, TokenDescription } from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import { TOKEN_ALGORITHMS } from './key-algorithm.ts';
import { numberOf, type KeyPairObjects } from './key-objects.ts';
import { checkedAttributes, findObjects, readAttributes, unfit } from './objects.ts';
import { parsePkcs11Uri, type Pkcs11Uri } from './uri-parser.ts';

/** A private key that somebody else made, by what its URI says of it. */
export type ExistingKey = Pick<Pkcs11Uri, 'object' | 'id'> & { readonly uri: string };

/** Reads the URI of a key on this token. Throws InvalidConfiguration where it is another token's, or names no key. */
export function existingKeyOf(uri: string, { label, serial, manufacturer, model }: TokenDescription): ExistingKey {
  const named = parsePkcs11Uri(uri);
  const { object, id, type } = named;
  if (object === undefined && id === undefined) {
    throw new KeysteadError('InvalidConfiguration', 'expected a pkcs11: URI with object or id, found neither');
  }
  if (type !== undefined && type !== 'private') {
    throw new KeysteadError('InvalidConfiguration', `expected the pkcs11: URI of a private key, found type=${type}`);
  }
  const wanted = { token: label, serial, manufacturer, model } as const;
  for (const attribute of ['token', 'serial', 'manufacturer', 'model'] as const) {
    if (named[attribute] === undefined || named[attribute] === wanted[attribute]) continue;
    const expected = `a key on the token ${JSON.stringify(label)}, whose ${attribute} is ${JSON.stringify(wanted[attribute])}`;
    throw new KeysteadError('InvalidConfiguration', `expected ${expected}, found the URI of another token's`);
  }
  return { uri, ...(object !== undefined && { object }), ...(id && { id }) };
}

/** The key's objects. Its public half need not lie on the token. Throws NotFound, KeyUnfit. */
export function findExistingKey(
  cryptoki: Cryptoki,
  session: Handle,
  { uri, object, id }: ExistingKey,
  half: PublicHalf,
): KeyPairObjects & { readonly label: string } {
  const found = findObjects(cryptoki, session, [
    { type: CK.CKA_CLASS, value: CK.CKO_PRIVATE_KEY },
    { type: CK.CKA_TOKEN, value: true },
    ...(object === undefined ? [] : [{ type: CK.CKA_LABEL, value: object }]),
    ...(id ? [{ type: CK.CKA_ID, value: id }] : []),
  ]);
  const [privateKey] = found;
  if (!privateKey) {
    const remedy = 'correct the URI, for example to what `p11tool --list-privkeys` shows';
    throw new KeysteadError('NotFound', `expected the key ${uri} on the token, found none; ${remedy}`);
  }
  if (found.length > 1) throw unfit(uri, 'one private key of this URI', `${found.length}`);
  const [keyType, keyId, name] = readAttributes(cryptoki, session, privateKey, [
    CK.CKA_KEY_TYPE,
    CK.CKA_ID,
    CK.CKA_LABEL,
  ]);
  const label = name.toString('utf8');
  if (numberOf(keyType) !== TOKEN_ALGORITHMS[half.algorithm].keyType) {
    throw unfit(uri, `a key of ${half.algorithm}, as its certificate says`, `CKA_KEY_TYPE ${numberOf(keyType)}`);
  }
  const attributes = checkedAttributes(cryptoki, session, { handle: privateKey, label, origin: 'Imported' });
  const { algorithm, publicKey } = half;
  return { privateKey, id: Buffer.from(keyId), label, algorithm, publicKey, attributes };
}
