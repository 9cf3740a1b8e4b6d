// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../../errors.ts';
import { CK } from './cryptoki.ts';
import type { SlotToken } from './library.ts';

/** What a token says of wrong PINs, worst first (PKCS#11 2.40, CK_TOKEN_INFO): it tells no number. */
const STATES = [
  { flag: CK.CKF_USER_PIN_LOCKED, name: 'CKF_USER_PIN_LOCKED', meaning: 'it has locked the PIN' },
  { flag: CK.CKF_USER_PIN_FINAL_TRY, name: 'CKF_USER_PIN_FINAL_TRY', meaning: 'the next wrong PIN locks it' },
  {
    flag: CK.CKF_USER_PIN_COUNT_LOW,
    name: 'CKF_USER_PIN_COUNT_LOW',
    meaning: 'a wrong PIN was given since the last login',
  },
] as const;

/** The token's counter of wrong PINs in words. */
export function pinCounter(flags: number): string {
  const found = STATES.find(({ flag }) => (flags & flag) !== 0);
  return `the token's PIN counter: ${found ? `${found.name}, ${found.meaning}` : 'no wrong PIN counted'}`;
}

/** An error about the PIN with what the token's counter says now; others stay as they are. */
export function withPinCounter(error: KeysteadError, flags: number): KeysteadError {
  if (error.code !== 'PinRejected' && error.code !== 'PinLocked') return error;
  return new KeysteadError(error.code, `${error.message}; ${pinCounter(flags)}`, { cause: error.cause });
}

/** Throws PinLocked where the token says that a wrong PIN would lock it, or that it is locked. */
export function checkPinCounter({ label, serial, flags }: SlotToken): void {
  const name = `token ${JSON.stringify(label)} (serial ${serial})`;
  if (flags & CK.CKF_USER_PIN_LOCKED) {
    const remedy = "unlock it with its security officer's PIN";
    throw new KeysteadError('PinLocked', `${name} has locked its user PIN (CKF_USER_PIN_LOCKED); ${remedy}`);
  }
  if (flags & CK.CKF_USER_PIN_FINAL_TRY) {
    const found = `${name} locks with the next wrong PIN (CKF_USER_PIN_FINAL_TRY), so none is tried`;
    const remedy = 'log in once by other means, for example pkcs11-tool --login, to set the counter back';
    throw new KeysteadError('PinLocked', `${found}; ${remedy}`);
  }
}
