// SPDX-License-Identifier: Apache-2.0
import { KeysteadError, type ErrorCode } from '../../../errors.ts';
import { cryptokiErrorOf } from './cryptoki.ts';

interface Meaning {
  readonly code: ErrorCode;
  /** What to do about it. */
  readonly remedy: string;
  /** The session, login or object handle is gone: opening anew may help. */
  readonly lost?: true;
}

const REINSERT = 'check that the token is plugged in and its service runs; the notary keeps trying';
/** SoftHSM2 on a full disk says CKR_FUNCTION_FAILED. */
const SEE_LOG = "see the library's own log; where a key was to be made the token may be full";
const NEW_PIN = 'put the right PIN into the PIN file; the notary does not try this one again';
/** Our templates are well-formed: what a token says against them is that it does not support them. */
const OTHER_KEY = 'choose another key algorithm or token; there is no fall-back to software';
/** Of a ciphertext that does not decrypt. */
export const NOT_OURS = 'it was not encrypted with this key, IV and associated data, or was altered';

/** The one table of what PKCS#11 return values (PKCS#11 2.40, 5.1) mean to Keystead. Others are `TokenFailed`. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  CKR_PIN_INCORRECT: { code: 'PinRejected', remedy: NEW_PIN },
  CKR_PIN_INVALID: { code: 'PinRejected', remedy: NEW_PIN },
  CKR_PIN_LEN_RANGE: { code: 'PinRejected', remedy: NEW_PIN },
  CKR_PIN_EXPIRED: { code: 'PinRejected', remedy: 'set a new PIN on the token and put it into the PIN file' },
  CKR_PIN_LOCKED: { code: 'PinLocked', remedy: "unlock the token with its security officer's PIN" },
  CKR_USER_PIN_NOT_INITIALIZED: { code: 'InvalidConfiguration', remedy: 'set a user PIN on the token' },
  CKR_DEVICE_MEMORY: { code: 'TokenFull', remedy: 'remove objects that nobody needs from the token' },
  CKR_TOKEN_NOT_PRESENT: { code: 'TokenAbsent', remedy: REINSERT, lost: true },
  CKR_TOKEN_NOT_RECOGNIZED: { code: 'TokenAbsent', remedy: REINSERT, lost: true },
  CKR_DEVICE_REMOVED: { code: 'TokenAbsent', remedy: REINSERT, lost: true },
  CKR_SLOT_ID_INVALID: { code: 'TokenAbsent', remedy: REINSERT, lost: true },
  CKR_SESSION_HANDLE_INVALID: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_SESSION_CLOSED: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_USER_NOT_LOGGED_IN: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_KEY_HANDLE_INVALID: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_OBJECT_HANDLE_INVALID: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_OPERATION_ACTIVE: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_CRYPTOKI_NOT_INITIALIZED: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_DEVICE_ERROR: { code: 'TokenFailed', remedy: REINSERT, lost: true },
  CKR_GENERAL_ERROR: { code: 'TokenFailed', remedy: SEE_LOG, lost: true },
  CKR_FUNCTION_FAILED: { code: 'TokenFailed', remedy: SEE_LOG, lost: true },
  CKR_TOKEN_WRITE_PROTECTED: { code: 'TokenFailed', remedy: 'make the token writable, or make the key beforehand' },
  CKR_SESSION_READ_ONLY: { code: 'TokenFailed', remedy: 'make the token writable, or make the key beforehand' },
  CKR_SESSION_COUNT: { code: 'TokenFailed', remedy: 'close sessions that other programs hold on the token' },
  CKR_ATTRIBUTE_VALUE_INVALID: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_ATTRIBUTE_TYPE_INVALID: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_TEMPLATE_INCONSISTENT: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_DOMAIN_PARAMS_INVALID: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_MECHANISM_INVALID: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_MECHANISM_PARAM_INVALID: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_CURVE_NOT_SUPPORTED: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_FUNCTION_NOT_SUPPORTED: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_KEY_SIZE_RANGE: { code: 'MechanismMissing', remedy: OTHER_KEY },
  CKR_ENCRYPTED_DATA_INVALID: { code: 'InvalidRequest', remedy: NOT_OURS },
  CKR_ENCRYPTED_DATA_LEN_RANGE: { code: 'InvalidRequest', remedy: NOT_OURS },
  CKR_AEAD_DECRYPT_FAILED: { code: 'InvalidRequest', remedy: NOT_OURS },
  CKR_KEY_FUNCTION_NOT_PERMITTED: { code: 'KeyUnfit', remedy: 'destroy the key; the notary makes a new one' },
  CKR_KEY_TYPE_INCONSISTENT: { code: 'KeyUnfit', remedy: 'destroy the key; the notary makes a new one' },
};

const UNKNOWN: Meaning = { code: 'TokenFailed', remedy: SEE_LOG };

/** Turns what pkcs11js threw into a KeysteadError that names function, return value and remedy. */
export function tokenError(thrown: unknown): KeysteadError {
  if (thrown instanceof KeysteadError) return thrown;
  const error = cryptokiErrorOf(thrown);
  if (!error) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new KeysteadError('TokenFailed', `the PKCS#11 call failed: ${message}`, { cause: thrown });
  }
  const { code, remedy } = MEANINGS[error.name] ?? UNKNOWN;
  const value = `${error.name} (0x${error.number.toString(16)})`;
  return new KeysteadError(code, `${error.method} returned ${value}; ${remedy}`, { cause: thrown });
}

/** Whether opening the token anew may help after this error. */
export function isLost(thrown: unknown): boolean {
  const name = returnValueOf(thrown);
  return name !== undefined && MEANINGS[name]?.lost === true;
}

/** The CKR name behind an error; undefined where none is. */
export function returnValueOf(thrown: unknown): string | undefined {
  return cryptokiErrorOf(thrown instanceof KeysteadError ? thrown.cause : thrown)?.name;
}
