// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { ModuleKeyName } from '../../notary/key-port.ts';

/** Names a key in hardware towards its module. */
export function keyIdOf({ identityUid, generation }: ModuleKeyName): string {
  return `${identityUid}/${generation}`;
}

/** The key that a request names: one of the same identity. Throws InvalidRequest, and PermissionDenied for another's. */
export function keyNamed(keyId: string, { identityUid }: ModuleKeyName): ModuleKeyName {
  const [, uid, counter] = /^([^/]{1,64})\/([1-9]\d{0,8})$/.exec(keyId) ?? [];
  if (uid === undefined || counter === undefined) {
    const found = JSON.stringify(keyId.slice(0, 128));
    throw new KeysteadError('InvalidRequest', `key_id: expected one that this API has given, found ${found}`);
  }
  if (uid === identityUid) return { identityUid, generation: Number(counter) };
  throw new KeysteadError('PermissionDenied', 'KeyNotHeld: key_id names a key of another identity');
}
