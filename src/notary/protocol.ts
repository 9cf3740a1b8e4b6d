// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from '../errors.ts';
import type { CertificateRequest, IssuedCertificate, NotaryConfiguration, NotaryStatus } from './port.ts';

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
/** Id of answers that concern the connection. */
export const CONNECTION_ID = 0;

/** Operations with what goes in and what comes out. */
export interface Operations {
  readonly configure: { readonly body: NotaryConfiguration; readonly result: NotaryStatus };
  readonly status: { readonly body: Record<string, never>; readonly result: NotaryStatus };
  readonly issue: { readonly body: CertificateRequest; readonly result: IssuedCertificate };
  readonly metrics: { readonly body: Record<string, never>; readonly result: { readonly text: string } };
}

export type Operation = keyof Operations;
export const OPERATIONS = ['configure', 'status', 'issue', 'metrics'] as const satisfies readonly Operation[];

/** A request, decoded and checked in form. */
export type Request = {
  [O in Operation]: { readonly id: number; readonly operation: O; readonly body: Operations[O]['body'] };
}[Operation];

/** An error as it crosses the socket; it becomes a KeysteadError again on the other side. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
}

export type Answer =
  { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: WireError };
