// SPDX-License-Identifier: Apache-2.0
import type { ErrorCode } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Requester } from './port.ts';

/** One use of a key, done or refused. Never holds a secret. */
export interface AuditEntry {
  readonly operation: 'issue';
  readonly requester: Requester;
  readonly spiffeId: string;
  readonly result: 'Issued' | ErrorCode;
  /** Of the certificate issued. */
  readonly serial?: string;
  /** Milliseconds since the Unix epoch. */
  readonly notAfter?: number;
  /** Why it was refused. */
  readonly reason?: string;
}

/** Where uses of keys are recorded. What cannot be recorded must throw: nothing is then handed out. */
export interface Audit {
  record(entry: AuditEntry): void;
  /** Writes out what was recorded since the last time; no answer leaves before it. One write for many requests. */
  commit(): void;
}

/**
 * Writes audit entries as log lines; `flush` writes out what the logger holds back. Redaction is off: an entry consists
 * of named fields without secrets, and searching each for some would cost as much as half a signature.
 */
export function logAudit(log: Logger, flush: () => void): Audit {
  const lines = log.child({}, { redact: [] });
  return {
    record: (entry) => {
      if (entry.result === 'Issued') lines.info(entry, 'certificate issued');
      else lines.warn(entry, 'certificate refused');
    },
    commit: flush,
  };
}
