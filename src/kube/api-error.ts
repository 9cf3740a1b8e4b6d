// SPDX-License-Identifier: Apache-2.0
import { KeysteadError, type ErrorCode } from '../errors.ts';

/** `metav1.Status`, the body of every refusal of the API server. */
export interface Status {
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly retryAfterSeconds?: number };
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'InvalidRequest',
  401: 'PermissionDenied',
  403: 'PermissionDenied',
  404: 'NotFound',
  405: 'InvalidRequest',
  415: 'InvalidRequest',
  422: 'InvalidRequest',
  429: 'Overloaded',
};

/**
 * A refusal or failure of the API server. `status` is the HTTP status, 0 where no answer came; `reason` is the
 * API's own (`NotFound`, `Conflict`, `AlreadyExists`, `Forbidden`, `Expired`, `Invalid`, …), or `Unreachable`.
 */
export class ApiError extends KeysteadError {
  readonly status: number;
  readonly reason: string;

  constructor(status: Status & { code: number }, request: string, options?: { cause?: unknown }) {
    const said = status.message ?? `HTTP ${status.code}`;
    const seconds = status.details?.retryAfterSeconds;
    const retryAfterMs = seconds === undefined ? undefined : seconds * 1000;
    super(CODES[status.code] ?? 'Unavailable', `${request}: ${said}`, { ...options, retryAfterMs });
    this.name = 'ApiError';
    this.status = status.code;
    this.reason = status.reason ?? (status.code === 0 ? 'Unreachable' : `Http${status.code}`);
  }

  /**
   * Unlike other errors of the same code, a refused permission or an absent object may change without the object
   * that is reconciled changing (RBAC, quota, a namespace made later), so only malformed requests are final, and
   * those into a namespace that is on its way out together with all that is in it.
   */
  override get retryable(): boolean {
    return this.code !== 'InvalidRequest' && !this.message.includes('because it is being terminated');
  }
}

/** Whether `thrown` is the API server's answer with this reason. */
export function isApiError(thrown: unknown, ...reasons: readonly string[]): thrown is ApiError {
  return thrown instanceof ApiError && (reasons.length === 0 || reasons.includes(thrown.reason));
}

/** Builds the error for an answer with a status of 400 or more; the body need not be a Status. */
export function refusal(code: number, body: string, request: string): ApiError {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'kind' in parsed && parsed.kind === 'Status') {
      return new ApiError({ ...(parsed as Status), code }, request);
    }
  } catch {
    // A proxy's page or an empty body: the status alone must do.
  }
  return new ApiError({ code, message: `HTTP ${code} ${body.slice(0, 200).trim()}`.trim() }, request);
}

/** Builds the error for a request that got no whole answer: refused, reset, timed out. */
export function unreachable(thrown: unknown, request: string): ApiError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ApiError({ code: 0, message: `no answer from the API server: ${message}` }, request, { cause: thrown });
}
