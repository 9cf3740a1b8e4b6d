// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import type { KeyAttributes, SecretOrigin } from '../port.ts';
import { CK, type Cryptoki, type Handle } from './cryptoki.ts';
import type { KeyOwner } from './key-owner.ts';

export type Template = readonly { readonly type: number; readonly value?: Buffer | string | number | boolean }[];

/** Handles asked for in one call. */
const PAGE = 64;
/** More objects than this under one template no token has; a library that always finds more must not hold the process. */
const MAX_FOUND = 1 << 16;

/** What the attributes of a key must be; some only where it must have been made on the token. */
const DEMANDS = [
  { type: CK.CKA_SENSITIVE, value: true, onlyMade: false, wrong: 'CKA_SENSITIVE is false' },
  { type: CK.CKA_EXTRACTABLE, value: false, onlyMade: false, wrong: 'CKA_EXTRACTABLE is true' },
  { type: CK.CKA_NEVER_EXTRACTABLE, value: true, onlyMade: true, wrong: 'CKA_NEVER_EXTRACTABLE is false' },
  { type: CK.CKA_LOCAL, value: true, onlyMade: true, wrong: 'CKA_LOCAL is false (it was not made on the token)' },
  { type: CK.CKA_PRIVATE, value: true, onlyMade: false, wrong: 'CKA_PRIVATE is false' },
] as const;

/** Handles of the objects that match; the search is ended whatever happens. */
export function findObjects(cryptoki: Cryptoki, session: Handle, template: Template): Handle[] {
  cryptoki.C_FindObjectsInit(session, [...template]);
  try {
    const found: Handle[] = [];
    while (found.length < MAX_FOUND) {
      const page = cryptoki.C_FindObjects(session, PAGE);
      found.push(...page);
      if (page.length < PAGE) break;
    }
    return found;
  } finally {
    cryptoki.C_FindObjectsFinal(session);
  }
}

/** Destroys objects of one label, or none of them: throws KeyUnfit where one is another notary's. */
export function destroyAll(
  cryptoki: Cryptoki,
  session: Handle,
  { label, owner, objects }: { readonly label: string; readonly owner: KeyOwner; readonly objects: readonly Handle[] },
): void {
  for (const object of objects) {
    const [id] = readAttributes(cryptoki, session, object, [CK.CKA_ID]);
    owner.check(Buffer.from(id), label);
  }
  for (const object of objects) cryptoki.C_DestroyObject(session, object);
}

/** Labels of the objects that match, each once, sorted. */
export function labelsOf(cryptoki: Cryptoki, session: Handle, template: Template): string[] {
  const labels = findObjects(cryptoki, session, template).map((object) => {
    const [label] = readAttributes(cryptoki, session, object, [CK.CKA_LABEL]);
    return label.toString('utf8');
  });
  return [...new Set(labels)].sort();
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

/**
 * What makes a key fit to be trusted: it is secret, cannot leave the token, and, unless it was imported, was made there
 * and never could leave. Throws KeyUnfit that lists what is wrong.
 */
export function checkedAttributes(
  cryptoki: Cryptoki,
  session: Handle,
  key: { readonly handle: Handle; readonly label: string; readonly origin: SecretOrigin },
): KeyAttributes {
  const made = key.origin === 'Generated';
  const demands = DEMANDS.filter(({ onlyMade }) => made || !onlyMade);
  const types = DEMANDS.map(({ type }) => type);
  const values = readAttributes(cryptoki, session, key.handle, types);
  // An attribute that the token does not give is neither true nor false, and fits no demand.
  const flags = new Map(types.map((type, index) => [type, values[index]?.[0]]));
  const wrong = demands.filter(({ type, value }) => flags.get(type) !== Number(value)).map(({ wrong: found }) => found);
  const expected = made ? 'a key made on the token that never could leave it' : 'a key that cannot leave the token';
  if (wrong.length > 0) throw unfit(key.label, expected, wrong.join(', '));
  const is = (type: (typeof types)[number]): boolean => flags.get(type) === 1;
  return {
    sensitive: is(CK.CKA_SENSITIVE),
    extractable: is(CK.CKA_EXTRACTABLE),
    neverExtractable: is(CK.CKA_NEVER_EXTRACTABLE),
    local: is(CK.CKA_LOCAL),
  };
}

export function unfit(label: string, expected: string, found: string): KeysteadError {
  const remedy = 'destroy it with the tools of the token; the notary then makes a new one';
  return new KeysteadError('KeyUnfit', `key ${JSON.stringify(label)}: expected ${expected}, found ${found}; ${remedy}`);
}
