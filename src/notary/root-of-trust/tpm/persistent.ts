// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { hex32, TPM_HT } from '../../../tpm/constants.ts';
import { findPublic, type TpmObject } from './objects.ts';
import type { Tpm } from './tpm.ts';
import { u32 } from '../../../tpm/writer.ts';

/** TPM2_EvictControl: makes a loaded object persistent. Throws InvalidRequest where the handle is taken. */
export function persist(tpm: Tpm, object: TpmObject, handle: number): TpmObject {
  checkHandle(handle);
  tpm.execute('EvictControl', { handles: [tpm.owner, object], parameters: u32(handle) }).parameters.end();
  const kept = findPublic(tpm, handle);
  if (kept?.name.equals(object.name)) return { ...kept, ...(object.auth && { auth: object.auth }) };
  throw new KeysteadError('TokenFailed', `the TPM did not keep the object at ${hex32(handle)} that it just took`);
}

/** Removes a persistent object; nothing happens where there is none. */
export function evict(tpm: Tpm, handle: number): void {
  checkHandle(handle);
  const object = findPublic(tpm, handle);
  if (object) {
    tpm.execute('EvictControl', { handles: [tpm.owner, object], parameters: u32(handle) }).parameters.end();
  }
}

export interface Replacement {
  /** The new object, loaded. */
  readonly object: TpmObject;
  readonly handle: number;
  /** Where the new object is kept until the old one has gone; must be free or hold what an interrupted replacement left. */
  readonly spare: number;
  /** Uses the new object; throws if it does not work. */
  readonly prove: (object: TpmObject) => void;
}

/**
 * Puts a new object in the place of an old one, which is never given up before the new one is persistent and works:
 * new at the spare handle, proven there, old one out, new one in its place, spare out. After a crash the handle or the
 * spare holds a working object; doing it again with the same object finishes it.
 */
export function replacePersistent(tpm: Tpm, { object, handle, spare, prove }: Replacement): TpmObject {
  if (findPublic(tpm, handle)?.name.equals(object.name)) {
    evict(tpm, spare);
    return { ...object, handle };
  }
  // The handle is empty only after a crash between the two evictions: then the spare holds the one that works.
  if (findPublic(tpm, handle)) evict(tpm, spare);
  const waiting = findPublic(tpm, spare);
  if (waiting && !waiting.name.equals(object.name)) {
    throw new KeysteadError(
      'InvalidRequest',
      `TPM handle ${hex32(spare)} holds the only working object; restore it first`,
    );
  }
  prove(waiting ? { ...object, handle: spare } : persist(tpm, object, spare));
  evict(tpm, handle);
  const kept = persist(tpm, object, handle);
  evict(tpm, spare);
  return kept;
}

function checkHandle(handle: number): void {
  if (handle >>> 24 === TPM_HT.persistent) return;
  throw new KeysteadError(
    'InvalidConfiguration',
    `TPM handle: expected 0x81000000 to 0x817fffff, found ${hex32(handle)}`,
  );
}
