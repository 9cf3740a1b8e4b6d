// SPDX-License-Identifier: Apache-2.0
import type { Entity } from './framing.ts';
import type { Tpm } from './tpm.ts';
import { sized, u32 } from '../../../tpm/writer.ts';

/** TPM2_HierarchyChangeAuth: sets the authorisation value of owner, endorsement or lockout. */
export function changeHierarchyAuth(tpm: Tpm, hierarchy: Entity, auth: Buffer): void {
  const input = { handles: [hierarchy], parameters: sized(auth), authAfter: auth };
  tpm.execute('HierarchyChangeAuth', input).parameters.end();
}

/** TPM2_DictionaryAttackLockReset: forgets all failures. Throws PinLocked while the lockout authorisation itself is blocked. */
export function resetLockout(tpm: Tpm): void {
  tpm.execute('DictionaryAttackLockReset', { handles: [tpm.lockout] }).parameters.end();
}

/** TPM2_DictionaryAttackParameters. */
export function setLockoutParameters(
  tpm: Tpm,
  wanted: { readonly limit: number; readonly recoverySeconds: number; readonly lockoutRecoverySeconds: number },
): void {
  const parameters = Buffer.concat([
    u32(wanted.limit),
    u32(wanted.recoverySeconds),
    u32(wanted.lockoutRecoverySeconds),
  ]);
  tpm.execute('DictionaryAttackParameters', { handles: [tpm.lockout], parameters }).parameters.end();
}
