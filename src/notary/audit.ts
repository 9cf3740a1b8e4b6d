// SPDX-License-Identifier: Apache-2.0
import { isErrorCode, type ErrorCode, type KeysteadError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { OperationName } from './operations/index.ts';
import type { Requester } from './port.ts';

/** `Issued`: something signed was handed out, a certificate for example. `Done`: anything else. */
export type KeyUseSuccess = 'Issued' | 'Done';

/** One use of a key, done or refused. Never holds a secret. */
export interface AuditEntry {
  readonly operation: OperationName;
  /** For whom; absent where the notary acts for the node itself. */
  readonly requester?: Requester;
  readonly spiffeId?: string;
  readonly result: KeyUseSuccess | ErrorCode;
  /** RFC 7512 URI of the key that was used, or would have been. */
  readonly keyUri?: string;
  /** Of the certificate issued. */
  readonly serial?: string;
  /** Of the token issued: its `jti`, the `kid` of the key that signed it, and whom it is for. Never the token. */
  readonly jti?: string;
  readonly keyId?: string;
  readonly audiences?: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Why it was refused. */
  readonly reason?: string;
  readonly revoked?: RevokedUse;
}

/** What was revoked, of which pod and why. */
export interface RevokedUse {
  readonly podUid?: string;
  readonly identity?: string;
  readonly cause: string;
  readonly serials: readonly string[];
  readonly jtis: readonly string[];
}

/** How far the record of uses has got. */
export interface AuditState {
  /** Number of the last record. */
  readonly records: number;
  /** SHA-256 over the last record and, through it, all before. */
  readonly head: string;
  /** Why nothing can be recorded now; no key may be used then. */
  readonly failure?: KeysteadError;
}

/** Where the uses of keys are recorded, in the one thread that does so. What cannot be recorded must throw. */
export interface AuditTrail {
  /** Throws AuditUnavailable where nothing can be recorded now. Asked before each use of a key. */
  admit(): void;
  /** Takes a use in, a JSON object as `EncodeUse` gives it. */
  append(use: string): void;
  /** Writes out what was taken in since the last time; no answer leaves before it. One write for many requests. */
  commit(): void;
  state(): AuditState;
}

/** Gives the fields that the record of a use has, as JSON. */
export type EncodeUse = (entry: AuditEntry) => string;

/** Takes the uses of keys in a thread. */
export interface UseRecorder {
  record(entry: AuditEntry): void;
}

/**
 * Writes uses as log lines too: what was refused as a warning, the rest for debugging only, since the audit log has it.
 * Redaction is off: an entry consists of named fields without secrets, and searching each for some would cost as much as
 * half a signature.
 */
export function withLog(recorder: UseRecorder, log: Logger): UseRecorder {
  const lines = log.child({}, { redact: [] });
  return {
    record: (entry) => {
      recorder.record(entry);
      if (isErrorCode(entry.result)) lines.warn(entry, `${entry.operation} refused`);
      else lines.debug(entry, `${entry.operation} done`);
    },
  };
}
