// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from '../errors.ts';
import type { BodyOf, OperationName } from './operations/index.ts';

/**
 * The notary's protocol: frames over a unix stream socket, each a length (32 bits, big-endian, of what follows) and
 * that many bytes of JSON. Requests carry an id that their answer repeats; many may be in flight, answers come in any
 * order. An answer with id 0 concerns the connection, which the notary then closes. Bytes are base64.
 */
export const PROTOCOL_VERSION = 1;

/** Longest request, bytes of JSON: the largest legal one, with 32 DNS names of 253 characters, needs 13 KB. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Longest answer. */
export const MAX_ANSWER_BYTES = 1024 * 1024;
/** Requests of one connection that may wait for their answer. */
export const MAX_IN_FLIGHT = 256;
export const MAX_REQUEST_ID = 2 ** 53 - 1;
/** Longest that a caller is told to wait. */
export const MAX_RETRY_AFTER_MS = 3_600_000;
/** Id of answers that concern the connection. */
export const CONNECTION_ID = 0;

/** A request, decoded and checked in form. */
export type Request<O extends OperationName = OperationName> = {
  readonly [P in O]: { readonly id: number; readonly operation: P; readonly body: BodyOf<P> };
}[O];

/** An error as it crosses the socket; it becomes a KeysteadError again on the other side. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  /** When asking again is of use, milliseconds from now; absent where nobody knows. */
  readonly retryAfterMs?: number | undefined;
}

export type Answer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: WireError };
