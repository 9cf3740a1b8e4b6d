// SPDX-License-Identifier: Apache-2.0

/** Every way in which Keystead can fail, by stable code. README lists each with cause and remedy. */
export const ERROR_CODES = {
  /** The caller asked for something malformed; asking again unchanged cannot succeed. */
  InvalidRequest: { retryable: false },
  /** Configuration (flag, environment, file, custom resource) is wrong. */
  InvalidConfiguration: { retryable: false },
  /** The caller may not ask this. */
  PermissionDenied: { retryable: false },
  /** A request lies outside the issuing profile (trust domain, lifetime, names, key strength). */
  ProfileViolation: { retryable: false },
  /** Attestation refused the process; the message starts with the rule's reason. */
  AttestationDenied: { retryable: false },
  /** The object asked for does not exist. */
  NotFound: { retryable: false },
  /** The PKCS#11 library cannot be loaded. */
  TokenLibraryUnusable: { retryable: false },
  /** No token matches the label, serial or slot. */
  TokenAbsent: { retryable: true },
  /** The token has no room for another object. */
  TokenFull: { retryable: true },
  /** The token refused the PIN; it is not tried again until the PIN changes. */
  PinRejected: { retryable: false },
  /** The token locked the PIN; its security officer must unlock it. */
  PinLocked: { retryable: false },
  /** The token lacks a mechanism; the message names it. There is no fall-back to software. */
  MechanismMissing: { retryable: false },
  /** A key on the token does not have the attributes that it must have. */
  KeyUnfit: { retryable: false },
  /** The token failed in another way; the message names the PKCS#11 function and return value. */
  TokenFailed: { retryable: true },
  /** The audit log cannot be written, so nothing is issued. */
  AuditUnavailable: { retryable: true },
  /** The other process (notary, runtime, API server) cannot be reached just now. */
  Unavailable: { retryable: true },
  /** Too much is asked at once; ask again after the time that the message says. */
  Overloaded: { retryable: true },
  /** Something that must hold does not: a defect of Keystead or of what it runs on. */
  Internal: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

/**
 * The one error type. `message` says what was found, what was expected and what to do next, and never
 * holds a secret. `code` decides how it is turned outward: condition reason, HTTP, gRPC, exit code.
 */
export class KeysteadError extends Error {
  readonly code: ErrorCode;
  /** When asking again is of use, milliseconds from now; undefined where nobody knows. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; retryAfterMs?: number | undefined }) {
    super(message, options);
    this.name = 'KeysteadError';
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }

  /** Whether the same request may succeed later without a change by the user. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** Gives any thrown value as a KeysteadError; foreign errors become `Internal` with the original as cause. */
export function asKeysteadError(thrown: unknown): KeysteadError {
  if (thrown instanceof KeysteadError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new KeysteadError('Internal', message, { cause: thrown });
}
