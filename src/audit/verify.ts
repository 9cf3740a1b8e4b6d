// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import type { AuditRecord, Line, Link } from './record.ts';
import { linesOf, parseRecord } from './record.ts';

/**
 * What `verify` found. Tampering: edited, missing, misplaced or replaced records. Warning: an end that may be a write in
 * progress or a cut. Notice: explained by the log itself.
 */
export interface Finding {
  readonly severity: 'Tampering' | 'Warning' | 'Notice';
  readonly kind: 'Edited' | 'Missing' | 'Misplaced' | 'Replaced' | 'Unfinished' | 'Interrupted' | 'Damaged';
  readonly file: string;
  /** Counted from 1; 0 where it is not about a line. */
  readonly line: number;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly message: string;
}

export interface Verification {
  readonly findings: readonly Finding[];
  /** Sound records, the first and the last. */
  readonly records: number;
  readonly first?: Link;
  readonly last?: Link;
}

export interface VerifyOptions {
  /** A hash that the log must contain: the head that the notary's status told once. */
  readonly head?: string;
  /** Whether all files of the log are given, so that the first must be the one that rotation kept. */
  readonly whole: boolean;
}

/** A file of the log, read. In the order of their records. */
export interface LogContent {
  readonly path: string;
  readonly content: Buffer;
}

/** Goes through a log and finds every byte that is not as it was written. Pure. */
export function verify(files: Iterable<LogContent>, options: VerifyOptions): Verification {
  const walk = new Walk(options.head);
  for (const file of files) walk.file(file);
  return walk.end(options);
}

/** Lines that are no records, until the next record tells what they are. */
interface Unread {
  readonly first: Line;
  last: Line;
}

class Walk {
  readonly #findings: Finding[] = [];
  readonly #head: string | undefined;
  #file: LogContent = { path: '', content: Buffer.alloc(0) };
  #records = 0;
  #first: Link | undefined;
  #last: Link | undefined;
  #unread: Unread | undefined;
  #keptFrom = 1;
  #headSeen = false;

  constructor(head: string | undefined) {
    this.#head = head;
  }

  file(file: LogContent): void {
    this.#file = file;
    for (const line of linesOf(file.content)) {
      const record = line.ended ? parseRecord(line.bytes) : undefined;
      if (record) this.#record(record, line);
      else this.#unread = { first: this.#unread?.first ?? line, last: line };
    }
    this.#endOfFile();
  }

  end({ head, whole }: VerifyOptions): Verification {
    const first = this.#first;
    if (whole && first && first.seq > this.#keptFrom) {
      this.#found(
        'Missing',
        `records ${this.#keptFrom} to ${first.seq - 1} are missing: the oldest files were removed`,
      );
    }
    if (head !== undefined && !this.#headSeen) {
      const found = this.#last
        ? `the last record is ${this.#last.seq} with hash ${this.#last.hash}`
        : 'there is no record';
      this.#found('Missing', `no record has the hash ${head}: the end was cut or its files removed; ${found}`);
    }
    const ends = { ...(first && { first }), ...(this.#last && { last: this.#last }) };
    return { findings: this.#findings, records: this.#records, ...ends };
  }

  #record(record: AuditRecord, line: Line): void {
    const unread = this.#unread;
    this.#unread = undefined;
    const explained = unread !== undefined && this.#isExplained(unread, record, line);
    if (unread) this.#tellUnread(unread, record, explained);
    // Where a record stood that cannot be read, the gap in the numbers is that record.
    if (!unread || explained) this.#checkLink(record, line);
    if (record.event === 'Damaged' && record['found'] !== undefined) {
      this.#found('Damaged', `the notary found its log changed under it at ${record.time}`, line);
    }
    const { seq, hash: digest } = record;
    this.#records++;
    this.#last = { seq, hash: digest };
    this.#first ??= this.#last;
    this.#headSeen ||= digest === this.#head;
    if (record.event === 'FileOpened') this.#keptFrom = Number(record['keptFrom']);
  }

  /** Whether the record says of the bytes before it that they are of an interrupted write, and they are those bytes. */
  #isExplained({ first }: Unread, record: AuditRecord, line: Line): boolean {
    if (record.event !== 'Interrupted' && record.event !== 'Damaged') return false;
    const upTo = (end: number): boolean => {
      const bytes = this.#file.content.subarray(first.start, end);
      return record['bytes'] === bytes.length && record['sha256'] === hash('sha256', bytes);
    };
    // With the newline that the interrupted write had, or without the one that the repair added.
    return upTo(line.start) || upTo(line.start - 1);
  }

  #tellUnread({ first, last }: Unread, record: AuditRecord, explained: boolean): void {
    const where = first === last ? `line ${first.number} is` : `lines ${first.number} to ${last.number} are`;
    if (!explained) {
      this.#found('Edited', `${where} not as written`, first);
    } else if (record.event === 'Interrupted') {
      this.#found('Interrupted', `${where} of a write that did not finish, repaired at ${record.time}`, first);
    } else {
      this.#found('Damaged', `${where} not as written; the notary found so at ${record.time}`, first);
    }
  }

  #checkLink({ seq, previous }: AuditRecord, line: Line): void {
    const before = this.#last;
    if (!before) {
      if (seq === 1 && !/^0+$/.test(previous)) this.#found('Replaced', 'record 1 has a record before it', line);
      return;
    }
    const expected = before.seq + 1;
    if (seq > expected) {
      this.#found('Missing', `records ${expected} to ${seq - 1} are missing before record ${seq}`, line);
    } else if (seq < expected) {
      this.#found('Misplaced', `expected record ${expected}, found record ${seq} again or out of order`, line);
    } else if (previous !== before.hash) {
      this.#found('Replaced', `record ${seq} follows another record ${before.seq} than the one before it`, line);
    }
  }

  /** A record's explanation lies in the same file; at the end there is none. */
  #endOfFile(): void {
    const unread = this.#unread;
    this.#unread = undefined;
    if (!unread) return;
    const { first, last } = unread;
    if (first === last && !first.ended) {
      this.#found('Unfinished', 'the last line is not finished: a write in progress or interrupted, or a cut', first);
    } else {
      this.#found('Edited', `line ${first.number} is not as written`, first);
    }
  }

  #found(kind: Finding['kind'], message: string, line?: Line): void {
    const severity = kind === 'Interrupted' ? 'Notice' : kind === 'Unfinished' ? 'Warning' : 'Tampering';
    const { path: file } = this.#file;
    this.#findings.push({ severity, kind, file, line: line?.number ?? 0, offset: line?.start ?? 0, message });
  }
}
