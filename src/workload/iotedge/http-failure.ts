// SPDX-License-Identifier: Apache-2.0
import { asKeysteadError, type ErrorCode } from '../../errors.ts';

/** After which a refused client may try again, milliseconds, where nobody knows better. */
const RETRY_MS = 1_000;
/** What a client can do nothing about but wait, though no wait was enough. */
const UNAVAILABLE = 503;
const TOO_MANY = 429;

/** Status of each error that has one of its own; others that may pass are 503, the rest 500. */
const STATUS: Partial<Readonly<Record<ErrorCode, number>>> = {
  InvalidRequest: 400,
  PermissionDenied: 403,
  AttestationDenied: 403,
  ProfileViolation: 403,
  NotFound: 404,
  Overloaded: TOO_MANY,
  Internal: 500,
};

/** An answer that is an error: its status, and the message of its body `{"message":"..."}`. */
export class HttpFailure extends Error {
  readonly status: number;
  readonly #retryAfterMs: number;

  constructor(status: number, message: string, retryAfterMs = RETRY_MS) {
    super(message);
    this.name = 'HttpFailure';
    this.status = status;
    this.#retryAfterMs = retryAfterMs;
  }

  get headers(): Readonly<Record<string, string>> {
    const wait = this.status === TOO_MANY || this.status === UNAVAILABLE;
    return wait ? { 'retry-after': `${Math.ceil(this.#retryAfterMs / 1000)}` } : {};
  }

  get body(): string {
    return JSON.stringify({ message: this.message });
  }
}

/** Any error as an answer. What only a look into the log explains tells the module nothing of the inside. */
export function asHttpFailure(thrown: unknown): HttpFailure {
  if (thrown instanceof HttpFailure) return thrown;
  const error = asKeysteadError(thrown);
  const status = STATUS[error.code] ?? (error.retryable ? UNAVAILABLE : 500);
  if (error.code === 'Internal') return new HttpFailure(500, 'internal error: see the log of the Keystead agent');
  const message = status === 403 ? error.message : `${error.code}: ${error.message}`;
  return new HttpFailure(status, message, error.retryAfterMs);
}
