// SPDX-License-Identifier: Apache-2.0

/** Names and numbers of the TCG that Keystead uses (TPM 2.0 Library, Part 2 "Structures", rev. 1.59). */

/** TPM_ST (Part 2, 6.9): what kind of structure follows. */
export const TPM_ST = {
  noSessions: 0x8001,
  sessions: 0x8002,
  attestCertify: 0x8017,
  attestQuote: 0x8018,
  attestCreation: 0x801a,
  creation: 0x8021,
  hashCheck: 0x8024,
} as const;

/** TPM_ALG_ID (Part 2, 6.3). */
export const TPM_ALG = {
  rsa: 0x0001,
  sha1: 0x0004,
  hmac: 0x0005,
  aes: 0x0006,
  keyedHash: 0x0008,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  sm3: 0x0012,
  rsassa: 0x0014,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** TPM_ECC_CURVE (Part 2, 6.4). */
export const TPM_ECC = { p256: 0x0003, p384: 0x0004 } as const;

/** TPM_RH (Part 2, 7.4): handles that every TPM has. */
export const TPM_RH = {
  owner: 0x40000001,
  null: 0x40000007,
  lockout: 0x4000000a,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
} as const;

/** TPM_HT (Part 2, 7.2): the first octet of a handle says what it names. */
export const TPM_HT = {
  pcr: 0x00,
  nvIndex: 0x01,
  hmacSession: 0x02,
  policySession: 0x03,
  permanent: 0x40,
  transient: 0x80,
  persistent: 0x81,
} as const;

/** TPM_SE (Part 2, 6.11). */
export const TPM_SE = { hmac: 0x00, policy: 0x01 } as const;

/** TPM_CAP (Part 2, 6.12). */
export const TPM_CAP = { algorithms: 0, handles: 1, pcrs: 5, properties: 6, curves: 8 } as const;

/** TPM_PT (Part 2, 6.13). */
export const TPM_PT = {
  familyIndicator: 0x100,
  revision: 0x102,
  manufacturer: 0x105,
  vendorString1: 0x106,
  firmwareVersion1: 0x10b,
  firmwareVersion2: 0x10c,
  inputBuffer: 0x10d,
  nvBufferMax: 0x12c,
  permanent: 0x200,
  startupClear: 0x201,
  lockoutCounter: 0x20e,
  maxAuthFail: 0x20f,
  lockoutInterval: 0x210,
  lockoutRecovery: 0x211,
} as const;

/** TPMA_PERMANENT (Part 2, 8.6). */
export const TPMA_PERMANENT = {
  ownerAuthSet: 1 << 0,
  endorsementAuthSet: 1 << 1,
  lockoutAuthSet: 1 << 2,
  inLockout: 1 << 9,
} as const;

/** TPMA_OBJECT (Part 2, 8.3). */
export const TPMA_OBJECT = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDictionaryAttack: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** TPMA_SESSION (Part 2, 8.4). `decrypt` is what the caller encrypts, `encrypt` what the TPM does. */
export const TPMA_SESSION = { continue: 1 << 0, decrypt: 1 << 5, encrypt: 1 << 6 } as const;

/** TPMA_NV (Part 2, 13.4). */
export const TPMA_NV = {
  ownerWrite: 1 << 1,
  authWrite: 1 << 2,
  ownerRead: 1 << 17,
  authRead: 1 << 18,
  noDictionaryAttack: 1 << 25,
  written: 1 << 29,
} as const;

/** Digests: node's name and length by TPM_ALG_ID. Those that Node can compute; SM3 and others it cannot. */
export const HASHES: ReadonlyMap<number, { readonly name: string; readonly bytes: number }> = new Map([
  [TPM_ALG.sha1, { name: 'sha1', bytes: 20 }],
  [TPM_ALG.sha256, { name: 'sha256', bytes: 32 }],
  [TPM_ALG.sha384, { name: 'sha384', bytes: 48 }],
  [TPM_ALG.sha512, { name: 'sha512', bytes: 64 }],
]);

/** `0x81000001`, as the TPM's own tools write handles. */
export function hex32(number: number): string {
  return `0x${number.toString(16).padStart(8, '0')}`;
}
