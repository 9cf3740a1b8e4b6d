// SPDX-License-Identifier: Apache-2.0
import pkcs11js from 'pkcs11js';

/** CK_SLOT_ID, CK_SESSION_HANDLE or CK_OBJECT_HANDLE as pkcs11js gives them: CK_ULONG, little-endian. */
export type Handle = Buffer;

/** The functions of PKCS#11 that the notary calls, synchronous. Errors are thrown as `CryptokiError`. */
export type Cryptoki = Pick<
  pkcs11js.PKCS11,
  | 'load'
  | 'close'
  | 'C_Initialize'
  | 'C_Finalize'
  | 'C_GetSlotList'
  | 'C_GetTokenInfo'
  | 'C_GetMechanismList'
  | 'C_OpenSession'
  | 'C_CloseSession'
  | 'C_Login'
  | 'C_FindObjectsInit'
  | 'C_FindObjects'
  | 'C_FindObjectsFinal'
  | 'C_GetAttributeValue'
  | 'C_GenerateKeyPair'
  | 'C_DestroyObject'
  | 'C_SignInit'
  | 'C_Sign'
  | 'C_GenerateKey'
  | 'C_CreateObject'
  | 'C_EncryptInit'
  | 'C_Encrypt'
  | 'C_DecryptInit'
  | 'C_Decrypt'
>;

/** A PKCS#11 return value other than CKR_OK. */
export interface CryptokiError {
  /** CKR name. */
  readonly name: string;
  readonly number: number;
  /** C function that returned it. */
  readonly method: string;
}

const RETURN_VALUE = /^CKR_\w+$/;
const RAW_ERROR = /^(CKR_\w+):(\d+)/;
const FUNCTION_NAME = /\b(C_[A-Z]\w+)/;

/**
 * What pkcs11js means by an error that it threw; undefined for other errors. Asks for what it says and neither for its class
 * nor for the name of that: in a test runner's realm native code throws errors of another `Error`, and a bundler renames.
 */
export function cryptokiErrorOf(thrown: unknown): CryptokiError | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const { message = '', code, method = '' } = thrown as Partial<Record<string, string | number>>;
  if (RETURN_VALUE.test(String(message)) && code !== undefined) {
    return { name: String(message), number: Number(code), method: String(method) || functionIn(thrown) };
  }
  // C_FindObjects and C_CreateObject miss pkcs11js' own conversion (2.1.7).
  const [, raw, number] = RAW_ERROR.exec(String(message)) ?? [];
  return raw === undefined ? undefined : { name: raw, number: Number(number), method: functionIn(thrown) };
}

/** pkcs11js leaves the name of C_Sign and C_GenerateKeyPair to the stack (2.1.7). */
function functionIn(error: object): string {
  const stack = 'stack' in error ? String(error.stack) : '';
  return FUNCTION_NAME.exec(stack)?.[1] ?? 'a PKCS#11 function';
}

/** A PKCS#11 library that is not loaded yet. */
export function newCryptoki(): Cryptoki {
  return new pkcs11js.PKCS11();
}

/** Numbers of PKCS#11 2.40 that the notary uses; names as in the specification. */
export const CK = {
  CKA_CLASS: 0x0,
  CKA_TOKEN: 0x1,
  CKA_PRIVATE: 0x2,
  CKA_LABEL: 0x3,
  CKA_VALUE: 0x11,
  CKA_KEY_TYPE: 0x100,
  CKA_ID: 0x102,
  CKA_SENSITIVE: 0x103,
  CKA_ENCRYPT: 0x104,
  CKA_DECRYPT: 0x105,
  CKA_WRAP: 0x106,
  CKA_UNWRAP: 0x107,
  CKA_SIGN: 0x108,
  CKA_VERIFY: 0x10a,
  CKA_DERIVE: 0x10c,
  CKA_MODULUS: 0x120,
  CKA_MODULUS_BITS: 0x121,
  CKA_PUBLIC_EXPONENT: 0x122,
  CKA_VALUE_LEN: 0x161,
  CKA_EXTRACTABLE: 0x162,
  CKA_LOCAL: 0x163,
  CKA_NEVER_EXTRACTABLE: 0x164,
  CKA_EC_PARAMS: 0x180,
  CKA_EC_POINT: 0x181,
  CKF_LOGIN_REQUIRED: 0x4,
  CKF_OS_LOCKING_OK: 0x2,
  CKF_RW_SESSION: 0x2,
  CKF_SERIAL_SESSION: 0x4,
  CKF_TOKEN_INITIALIZED: 0x400,
  CKF_WRITE_PROTECTED: 0x2,
  CKF_USER_PIN_COUNT_LOW: 0x10000,
  CKF_USER_PIN_FINAL_TRY: 0x20000,
  CKF_USER_PIN_LOCKED: 0x40000,
  CKK_RSA: 0x0,
  CKK_EC: 0x3,
  CKK_GENERIC_SECRET: 0x10,
  CKK_AES: 0x1f,
  CKM_RSA_PKCS_KEY_PAIR_GEN: 0x0,
  CKM_RSA_PKCS: 0x1,
  CKM_SHA256_HMAC: 0x251,
  CKM_GENERIC_SECRET_KEY_GEN: 0x350,
  CKM_EC_KEY_PAIR_GEN: 0x1040,
  CKM_ECDSA: 0x1041,
  CKM_AES_KEY_GEN: 0x1080,
  CKM_AES_GCM: 0x1087,
  CKO_PUBLIC_KEY: 0x2,
  CKO_PRIVATE_KEY: 0x3,
  CKO_SECRET_KEY: 0x4,
  CKU_USER: 1,
} as const;

/** `CK_GCM_PARAMS` of PKCS#11 2.40, as pkcs11js numbers the parameters of mechanisms. */
export const PARAMETERS_GCM: number = pkcs11js.CK_PARAMS_GCM;

/** The number in a handle. */
export function handleNumber(handle: Handle): number {
  return handle.readUIntLE(0, Math.min(handle.length, 6));
}
