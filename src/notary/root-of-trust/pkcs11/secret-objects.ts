// SPDX-License-Identifier: Apache-2.0
import type { KeyAttributes, SecretOrigin } from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import { checkedAttributes, findObjects, readAttributes, unfit, type Template } from './objects.ts';
import { hmacKeyValue } from './quirks.ts';
import { SECRET_ALGORITHMS, USES, type SecretKind } from './secret-algorithm.ts';

/** A symmetric key as it lies on the token in one session. */
export interface SecretObject {
  readonly handle: Handle;
  readonly id: Buffer;
  readonly attributes: KeyAttributes;
}

/** What a new one is called. */
interface NewSecret {
  readonly label: string;
  readonly id: Buffer;
}

const GENERATED_BYTES = 32;

/** Matches all symmetric keys of a kind, or the one under a label. */
export function secretTemplate(kind: SecretKind, label?: string): Template {
  return [
    { type: CK.CKA_CLASS, value: CK.CKO_SECRET_KEY },
    { type: CK.CKA_TOKEN, value: true },
    { type: CK.CKA_KEY_TYPE, value: SECRET_ALGORITHMS[kind].keyType },
    ...(label === undefined ? [] : [{ type: CK.CKA_LABEL, value: label }]),
  ];
}

/** The symmetric key with this label; undefined if there is none. Throws KeyUnfit as `checkedAttributes`. */
export function findSecretObject(
  cryptoki: Cryptoki,
  session: Handle,
  wanted: { readonly kind: SecretKind; readonly label: string; readonly origin: SecretOrigin },
): SecretObject | undefined {
  const { label, origin } = wanted;
  const found = findObjects(cryptoki, session, secretTemplate(wanted.kind, label));
  const [handle] = found;
  if (!handle) return undefined;
  if (found.length > 1) throw unfit(label, 'one secret key with this label', `${found.length}`);
  const [id] = readAttributes(cryptoki, session, handle, [CK.CKA_ID]);
  return { handle, id: Buffer.from(id), attributes: checkedAttributes(cryptoki, session, { handle, label, origin }) };
}

/** Makes a 256-bit key on the token, by C_GenerateKey. */
export function generateSecretObject(cryptoki: Cryptoki, session: Handle, kind: SecretKind, key: NewSecret): void {
  const mechanism = { mechanism: SECRET_ALGORITHMS[kind].generation.number };
  const length = { type: CK.CKA_VALUE_LEN, value: GENERATED_BYTES };
  cryptoki.C_GenerateKey(session, mechanism, [...newTemplate(kind, key), length]);
}

/** Brings a key in, by C_CreateObject. */
export function createSecretObject(cryptoki: Cryptoki, session: Handle, key: NewSecret, value: Buffer): void {
  const filled = hmacKeyValue(value);
  try {
    cryptoki.C_CreateObject(session, [...newTemplate('Secret', key), { type: CK.CKA_VALUE, value: filled }]);
  } finally {
    filled.fill(0);
  }
}

function newTemplate(kind: SecretKind, { label, id }: NewSecret): Template {
  const { allowed } = SECRET_ALGORITHMS[kind];
  return [
    ...secretTemplate(kind, label),
    { type: CK.CKA_ID, value: id },
    { type: CK.CKA_PRIVATE, value: true },
    { type: CK.CKA_SENSITIVE, value: true },
    { type: CK.CKA_EXTRACTABLE, value: false },
    ...USES.map((type) => ({ type, value: allowed.includes(type) })),
  ];
}
