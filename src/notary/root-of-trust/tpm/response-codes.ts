// SPDX-License-Identifier: Apache-2.0
import { KeysteadError, type ErrorCode } from '../../../errors.ts';

/** What a TPM answered instead of TPM_RC_SUCCESS; hangs on the KeysteadError as `cause`. */
export class TpmRefusal extends Error {
  /** Name of the TCG without subject, for example `TPM_RC_AUTH_FAIL`. */
  readonly constant: string;
  readonly number: number;

  constructor(constant: string, number: number, subject: string) {
    super(`${constant}${subject} (0x${number.toString(16)})`);
    this.constant = constant;
    this.number = number;
  }
}

/** Format-one codes (TPM 2.0 Library, Part 2, 6.6.3, table 16): error in bits 5..0, subject in bits 11..8. */
const FORMAT_ONE: readonly string[] = (
  'ASYMMETRIC=1 ATTRIBUTES=2 HASH=3 VALUE=4 HIERARCHY=5 KEY_SIZE=7 MGF=8 MODE=9 TYPE=a HANDLE=b KDF=c RANGE=d ' +
  'AUTH_FAIL=e NONCE=f PP=10 SCHEME=12 SIZE=15 SYMMETRIC=16 TAG=17 SELECTOR=18 INSUFFICIENT=1a SIGNATURE=1b KEY=1c ' +
  'POLICY_FAIL=1d INTEGRITY=1f TICKET=20 RESERVED_BITS=21 BAD_AUTH=22 EXPIRED=23 POLICY_CC=24 BINDING=25 CURVE=26 ' +
  'ECC_POINT=27 FW_LIMITED=28 SVN_LIMITED=29'
).split(' ');

/** Format-zero errors (RC_VER1) and warnings (RC_WARN) of the same table, as whole numbers. */
const FORMAT_ZERO: readonly string[] = (
  'INITIALIZE=100 FAILURE=101 SEQUENCE=103 PRIVATE=10b HMAC=119 DISABLED=120 EXCLUSIVE=121 AUTH_TYPE=124 ' +
  'AUTH_MISSING=125 POLICY=126 PCR=127 PCR_CHANGED=128 UPGRADE=12d TOO_MANY_CONTEXTS=12e AUTH_UNAVAILABLE=12f ' +
  'REBOOT=130 UNBALANCED=131 COMMAND_SIZE=142 COMMAND_CODE=143 AUTHSIZE=144 AUTH_CONTEXT=145 NV_RANGE=146 ' +
  'NV_SIZE=147 NV_LOCKED=148 NV_AUTHORIZATION=149 NV_UNINITIALIZED=14a NV_SPACE=14b NV_DEFINED=14c BAD_CONTEXT=150 ' +
  'CPHASH=151 PARENT=152 NEEDS_TEST=153 NO_RESULT=154 SENSITIVE=155 CONTEXT_GAP=901 OBJECT_MEMORY=902 ' +
  'SESSION_MEMORY=903 MEMORY=904 SESSION_HANDLES=905 OBJECT_HANDLES=906 LOCALITY=907 YIELDED=908 CANCELED=909 ' +
  'TESTING=90a REFERENCE_H0=910 REFERENCE_H1=911 REFERENCE_H2=912 REFERENCE_H3=913 REFERENCE_H4=914 ' +
  'REFERENCE_H5=915 REFERENCE_H6=916 REFERENCE_S0=918 REFERENCE_S1=919 REFERENCE_S2=91a REFERENCE_S3=91b ' +
  'REFERENCE_S4=91c REFERENCE_S5=91d REFERENCE_S6=91e NV_RATE=920 LOCKOUT=921 RETRY=922 NV_UNAVAILABLE=923'
).split(' ');

const NAMES = new Map<number, string>(
  [...FORMAT_ONE.map((entry) => [entry, 0x80] as const), ...FORMAT_ZERO.map((entry) => [entry, 0] as const)].map(
    ([entry, flag]) => {
      const [name = '', number = ''] = entry.split('=');
      return [Number.parseInt(number, 16) | flag, `TPM_RC_${name}`];
    },
  ),
);

const FORMAT_ONE_FLAG = 0x80;
const PARAMETER_FLAG = 0x40;

/** The TCG's name of a response code and which handle, parameter or session it is about. */
function decode(code: number): TpmRefusal {
  if ((code & FORMAT_ONE_FLAG) === 0) return new TpmRefusal(NAMES.get(code) ?? 'TPM_RC_UNKNOWN', code, '');
  const name = NAMES.get((code & 0x3f) | FORMAT_ONE_FLAG) ?? 'TPM_RC_UNKNOWN';
  const index = (code >> 8) & 0xf;
  const kind = code & PARAMETER_FLAG ? 'parameter' : index & 0x8 ? 'session' : 'handle';
  const position = kind === 'session' ? index & 0x7 : index;
  return new TpmRefusal(name, code, position === 0 ? '' : ` of ${kind} ${position}`);
}

interface Meaning {
  readonly code: ErrorCode;
  readonly remedy: string;
}

const meaning = (code: ErrorCode, remedy: string): Meaning => ({ code, remedy });
const ABSENT = meaning('NotFound', 'name a handle that exists; keys of a TPM that was cleared are gone for good');
const AUTH = meaning('PinRejected', 'configure the right authorisation value; this one is not tried again');
const FULL = meaning('TokenFull', 'flush objects that nobody needs, or speak to /dev/tpmrm0, which swaps them');
const MECHANISM = meaning(
  'MechanismMissing',
  'choose an algorithm that the TPM has; there is no fall-back to software',
);
const FOREIGN = meaning('KeyUnfit', 'it was made by another TPM, or the TPM was cleared since: make a new one');
const POLICY = meaning(
  'PermissionDenied',
  'the state that the policy demands (PCRs, authorisation) is not the present one',
);
const NV = meaning('PermissionDenied', 'see the attributes of the NV index');
const BUSY = meaning('TokenFailed', 'the TPM is busy; ask again');

/** What refusals mean to Keystead; all others are `TokenFailed`. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  TPM_RC_AUTH_FAIL: AUTH,
  TPM_RC_BAD_AUTH: AUTH,
  TPM_RC_LOCKOUT: meaning('PinLocked', 'wait for the recovery time, or reset the lockout with its authorisation'),
  TPM_RC_OBJECT_MEMORY: FULL,
  TPM_RC_SESSION_MEMORY: FULL,
  TPM_RC_MEMORY: FULL,
  TPM_RC_OBJECT_HANDLES: FULL,
  TPM_RC_SESSION_HANDLES: FULL,
  TPM_RC_CONTEXT_GAP: FULL,
  TPM_RC_NV_SPACE: meaning('TokenFull', 'undefine NV indices or evict persistent objects that nobody needs'),
  TPM_RC_COMMAND_CODE: MECHANISM,
  TPM_RC_ASYMMETRIC: MECHANISM,
  TPM_RC_CURVE: MECHANISM,
  TPM_RC_HASH: MECHANISM,
  TPM_RC_KEY_SIZE: MECHANISM,
  TPM_RC_MODE: MECHANISM,
  TPM_RC_SCHEME: MECHANISM,
  TPM_RC_SYMMETRIC: MECHANISM,
  TPM_RC_HANDLE: ABSENT,
  TPM_RC_REFERENCE_H0: ABSENT,
  TPM_RC_REFERENCE_H1: ABSENT,
  TPM_RC_NV_UNINITIALIZED: meaning('NotFound', 'the NV index is defined but nothing was written to it'),
  TPM_RC_INTEGRITY: FOREIGN,
  TPM_RC_BINDING: FOREIGN,
  TPM_RC_POLICY_FAIL: POLICY,
  TPM_RC_POLICY: POLICY,
  TPM_RC_PCR_CHANGED: POLICY,
  TPM_RC_EXPIRED: POLICY,
  TPM_RC_AUTH_UNAVAILABLE: POLICY,
  TPM_RC_NV_LOCKED: NV,
  TPM_RC_NV_AUTHORIZATION: NV,
  TPM_RC_NV_DEFINED: meaning('InvalidRequest', 'the handle is taken; choose another'),
  TPM_RC_INITIALIZE: meaning('Unavailable', 'the firmware has not started the TPM (TPM2_Startup)'),
  TPM_RC_RETRY: BUSY,
  TPM_RC_YIELDED: BUSY,
  TPM_RC_TESTING: BUSY,
  TPM_RC_NV_RATE: BUSY,
  TPM_RC_CANCELED: BUSY,
};

const UNKNOWN = meaning('TokenFailed', "look the code up in TPM 2.0 Library, Part 2, 6.6; see the kernel's log");

/** The error for a response code other than success, with the command's name and the TCG's constant in its message. */
export function refusal(command: string, code: number): KeysteadError {
  const cause = decode(code);
  const { code: errorCode, remedy } = MEANINGS[cause.constant] ?? UNKNOWN;
  return new KeysteadError(errorCode, `TPM2_${command} was refused with ${cause.message}; ${remedy}`, { cause });
}

/** The TCG's constant behind an error, for example `TPM_RC_HANDLE`; undefined where the TPM did not refuse. */
export function refusalOf(thrown: unknown): string | undefined {
  return thrown instanceof KeysteadError && thrown.cause instanceof TpmRefusal ? thrown.cause.constant : undefined;
}

const BUSY_CODES: ReadonlySet<number> = new Set([0x908, 0x90a, 0x920, 0x922]);

/** Whether the same command octets may be sent again (YIELDED, TESTING, NV_RATE, RETRY: Part 2, 6.6.3). */
export function isBusy(code: number): boolean {
  return BUSY_CODES.has(code);
}
