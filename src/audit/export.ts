// SPDX-License-Identifier: Apache-2.0
import { linesOf, parseRecord, type AuditRecord } from './record.ts';
import type { LogContent } from './verify.ts';

/** Which records; one that a filter speaks of must hold for it, those left out hold for all. */
export interface ExportFilter {
  /** Milliseconds since the Unix epoch, inclusive. */
  readonly since?: number;
  /** Exclusive. */
  readonly until?: number;
  /** `namespace/name`. */
  readonly identity?: string;
  readonly serial?: string;
  /** Of a token. */
  readonly jti?: string;
}

export interface ExportCount {
  readonly exported: number;
  /** Lines that are no records; `verify` tells what they are. */
  readonly unreadable: number;
}

/** Gives every record that the filter lets through to `write`, as the line that it is in the log. */
export function exportRecords(
  files: Iterable<LogContent>,
  filter: ExportFilter,
  write: (line: string) => void,
): ExportCount {
  let exported = 0;
  let unreadable = 0;
  for (const { content } of files) {
    for (const { bytes, ended } of linesOf(content)) {
      const record = ended ? parseRecord(bytes) : undefined;
      if (!record) {
        unreadable++;
      } else if (passes(record, filter)) {
        exported++;
        write(bytes.toString('utf8'));
      }
    }
  }
  return { exported, unreadable };
}

function passes(record: AuditRecord, { since, until, identity, serial, jti }: ExportFilter): boolean {
  const time = Date.parse(record.time);
  if (since !== undefined && time < since) return false;
  if (until !== undefined && time >= until) return false;
  if (serial !== undefined && !serialsOf(record).includes(serial)) return false;
  if (jti !== undefined && !tokensOf(record).includes(jti)) return false;
  return identity === undefined || identityOf(record) === identity;
}

/** Of the certificate that was issued, or of those that were revoked. */
function serialsOf({ serial, revoked }: AuditRecord): readonly unknown[] {
  const { serials = [] } = (revoked ?? {}) as { serials?: readonly string[] };
  return [serial, ...serials];
}

/** The same of tokens. */
function tokensOf({ jti, revoked }: AuditRecord): readonly unknown[] {
  const { jtis = [] } = (revoked ?? {}) as { jtis?: readonly string[] };
  return [jti, ...jtis];
}

/** The agent names the identity within the module's namespace. */
function identityOf({ who }: AuditRecord): string | undefined {
  const { module = '', identity } = (who ?? {}) as { module?: string; identity?: string };
  return identity === undefined || identity.includes('/') ? identity : `${module.split('/')[0] ?? ''}/${identity}`;
}
