// SPDX-License-Identifier: Apache-2.0
import { status } from '@grpc/grpc-js';
import { asKeysteadError, KeysteadError, type ErrorCode } from '../errors.ts';

/** How each of our error codes looks to a gRPC caller. Callers retry UNAVAILABLE and RESOURCE_EXHAUSTED by themselves. */
const OUTWARD: Readonly<Record<ErrorCode, status>> = {
  InvalidRequest: status.INVALID_ARGUMENT,
  InvalidConfiguration: status.FAILED_PRECONDITION,
  PermissionDenied: status.PERMISSION_DENIED,
  ProfileViolation: status.PERMISSION_DENIED,
  AttestationDenied: status.PERMISSION_DENIED,
  NotFound: status.NOT_FOUND,
  TokenLibraryUnusable: status.FAILED_PRECONDITION,
  TokenAbsent: status.UNAVAILABLE,
  TokenFull: status.RESOURCE_EXHAUSTED,
  PinRejected: status.FAILED_PRECONDITION,
  PinLocked: status.FAILED_PRECONDITION,
  MechanismMissing: status.FAILED_PRECONDITION,
  KeyUnfit: status.FAILED_PRECONDITION,
  TokenFailed: status.UNAVAILABLE,
  AuditUnavailable: status.UNAVAILABLE,
  Unavailable: status.UNAVAILABLE,
  Overloaded: status.RESOURCE_EXHAUSTED,
  Internal: status.INTERNAL,
};

const INWARD: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.INVALID_ARGUMENT]: 'InvalidRequest',
  [status.NOT_FOUND]: 'NotFound',
  [status.PERMISSION_DENIED]: 'PermissionDenied',
  [status.UNAUTHENTICATED]: 'PermissionDenied',
  [status.RESOURCE_EXHAUSTED]: 'Overloaded',
  [status.INTERNAL]: 'Internal',
};

/** A method that is known and not offered: the caller learns why, and does not try again. */
export class NotOffered extends Error {
  override readonly name = 'NotOffered';
}

/** What a gRPC handler answers with when it throws: code by the table above, message as it stands, never a stack. */
export function outwardStatus(thrown: unknown): { readonly code: status; readonly details: string } {
  const { code, message } = asKeysteadError(thrown);
  return { code: thrown instanceof NotOffered ? status.UNIMPLEMENTED : OUTWARD[code], details: message };
}

/** Whether the other side answered with just this gRPC status; reads through `fromServiceError`'s wrapping. */
export function hasStatus(thrown: unknown, code: status): boolean {
  if (!(thrown instanceof Error)) return false;
  return ('code' in thrown && thrown.code === code) || hasStatus(thrown.cause, code);
}

/**
 * Turns what grpc-js throws into a KeysteadError whose cause is the original. Everything that is not the caller's
 * fault becomes `Unavailable`: time-outs, a socket that is gone, a server that does not know the call.
 */
export function fromServiceError(thrown: unknown, method: string, target: string): KeysteadError {
  const code = thrown instanceof Error && 'code' in thrown ? (thrown.code as status) : status.UNKNOWN;
  const told = thrown instanceof Error && 'details' in thrown ? String(thrown.details) : String(thrown);
  const reason = code in status ? status[code] : String(code);
  return new KeysteadError(INWARD[code] ?? 'Unavailable', `${method} on ${target}: ${reason}: ${told}`, {
    cause: thrown,
  });
}
