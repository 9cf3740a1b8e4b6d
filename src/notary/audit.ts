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

/** Where uses of keys are recorded. An entry that cannot be recorded must throw: nothing is then handed out. */
export interface Audit {
  record(entry: AuditEntry): void;
}

/** Writes audit entries as log lines. */
export function logAudit(log: Logger): Audit {
  return {
    record: (entry) => {
      if (entry.result === 'Issued') log.info(entry, 'certificate issued');
      else log.warn(entry, 'certificate refused');
    },
  };
}
