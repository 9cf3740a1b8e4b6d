// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { Fields } from '../fields.ts';
import type { ModuleKeyName } from '../key-port.ts';
import { IDENTITY_UID, MAX_KEY_GENERATION } from '../module-keys.ts';

/** Strict, since it becomes part of a label on the token. */
export function decodeModuleKeyName(fields: Fields): ModuleKeyName {
  const identityUid = fields.string('identityUid', 64);
  if (!IDENTITY_UID.test(identityUid)) {
    const found = JSON.stringify(identityUid);
    throw new KeysteadError(
      'InvalidRequest',
      `identityUid: expected a UID of letters, digits and dashes, found ${found}`,
    );
  }
  return { identityUid, generation: fields.integer('generation', 1, MAX_KEY_GENERATION) };
}
