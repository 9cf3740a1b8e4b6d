// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { AuditState, AuditTrail } from '../notary/audit.ts';
import type { Clock } from '../os/clock.ts';
import { errnoOf } from '../os/files.ts';
import { Appender } from './appender.ts';
import { logFile, logFiles } from './files.ts';
import { encodeRecord, ORIGIN, type AuditEvent, type Link } from './record.ts';
import { tailOf, type Tail } from './tail.ts';

export interface AuditLogOptions {
  /** Where the files lie; it exists. */
  readonly folder: string;
  readonly clock: Clock;
  /** Of this program, for the record of its start. */
  readonly version: string;
  /** A file that is larger is followed by another; default 16 MiB, some 25,000 records. */
  readonly maxBytes?: number;
  /** How many files are kept, the one that is written included; default 8, at least 2. */
  readonly keep?: number;
  /** At most so long after its write a record is on the disk, milliseconds; default 1000. */
  readonly syncMs?: number;
}

const MAX_BYTES = 16 * 1024 * 1024;
const KEEP = 8;
const SYNC_MS = 1_000;
/** How often a log that cannot be written is tried again, milliseconds. */
const RETRY_MS = 500;

/**
 * The audit log: files of JSON lines, each with the hash of the one before. What `commit` has returned from outlives
 * this process. A power cut may lose the last `syncMs`: a sync for each record would cost more than the signature and
 * wear out flash, and the certificates of that second lose their private keys in the same moment, which lay in memory.
 *
 * Fails closed: what cannot be written throws AuditUnavailable until it can be written again, which it finds out itself.
 */
export class AuditLog implements AuditTrail {
  readonly #options: AuditLogOptions;
  #file: Appender | undefined;
  /** Last record written, and last record made; they differ by what `commit` will write. */
  #written: Link | undefined;
  #made: Link = ORIGIN;
  #pending = '';
  #failure: KeysteadError | undefined;
  #triedAt = -Infinity;
  /** Requests refused since the log cannot be written. */
  #refused = 0;
  /** Whether somebody else changed the newest file. */
  #foreign = false;
  /** Whether records that answers wait for were dropped. */
  #dropped = false;

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** Opens the log where it is not; so asking for the state is what makes it recover. */
  state(): AuditState {
    try {
      this.#openWhenDue();
    } catch (thrown) {
      return { ...this.#head(), failure: asKeysteadError(thrown) };
    }
    return this.#head();
  }

  admit(): void {
    try {
      this.#openWhenDue();
    } catch (thrown) {
      this.#refused++;
      throw thrown;
    }
  }

  append(use: string): void {
    this.admit();
    this.#chain('KeyUse', use);
  }

  commit(): void {
    const file = this.#file;
    try {
      if (this.#dropped) throw this.#failure ?? new Error('records were lost');
      if (!file || this.#pending === '') return;
      // Asked once for each group, so that nobody takes the file away under a notary that goes on issuing.
      this.#foreign = !file.isOurs;
      if (this.#foreign) throw new Error('somebody else changed or removed its newest file');
      this.#write(file);
      if (file.size > (this.#options.maxBytes ?? MAX_BYTES)) this.#rotate(file);
    } catch (thrown) {
      const failure = this.#fail(thrown);
      this.#dropped = false;
      throw failure;
    }
  }

  /** Writes what is left and makes it durable. */
  close(): void {
    if (!this.#file) return;
    this.commit();
    this.#file.sync();
    this.#file.close();
    this.#file = undefined;
  }

  #head(): AuditState {
    const { seq, hash } = this.#written ?? ORIGIN;
    return { records: seq, head: hash };
  }

  #openWhenDue(): void {
    if (this.#file) return;
    if (this.#failure && performance.now() - this.#triedAt < RETRY_MS) throw this.#failure;
    this.#triedAt = performance.now();
    try {
      this.#open();
    } catch (thrown) {
      // Only what tells of the opening itself was to be written: no answer waits for that.
      this.#pending = '';
      throw this.#fail(thrown);
    }
  }

  /** Continues the newest file; what lies behind its last record is declared for what it is, never removed. */
  #open(): void {
    const { folder, version } = this.#options;
    const files = logFiles(folder);
    const before = this.#written;
    const tail = tailOf(files, before);
    // The same process knows better than the files what it wrote last.
    this.#made = tail.link;
    const newest = files.at(-1) ?? logFile(folder, this.#made.seq + 1);
    const file = this.#appender(newest.path);
    this.#file = file;
    this.#pending = tail.open ? '\n' : '';
    if (tail.leftover) this.#makeLeftover(tail.leftover);
    if (tail.fresh) this.#makeOpened(files[0]?.first);
    if (this.#foreign) this.#make('Damaged', { found: tail.found });
    if (before) this.#make('Resumed', { refused: this.#refused, failure: this.#failure?.message });
    else this.#make('Started', { version, ...(this.#refused > 0 && { refused: this.#refused }) });
    this.#write(file);
    file.sync();
    this.#failure = undefined;
    this.#foreign = false;
    this.#refused = 0;
  }

  #makeLeftover({ bytes, sha256, unfinished }: NonNullable<Tail['leftover']>): void {
    this.#make(unfinished ? 'Interrupted' : 'Damaged', { bytes, sha256 });
  }

  #makeOpened(keptFrom = this.#made.seq + 1): void {
    this.#make('FileOpened', { keptFrom });
  }

  /** The old file is durable before the new one exists, and that before older ones go. */
  #rotate(old: Appender): void {
    const { folder, keep = KEEP } = this.#options;
    old.sync();
    const next = logFile(folder, this.#made.seq + 1);
    const files = [...logFiles(folder), next];
    const kept = files.slice(-Math.max(2, keep));
    const file = this.#appender(next.path);
    old.close();
    this.#file = file;
    this.#makeOpened(kept[0]?.first);
    this.#write(file);
    file.sync();
    for (const { path } of files.slice(0, -kept.length)) rmSync(path, { force: true });
  }

  #appender(path: string): Appender {
    return new Appender(path, this.#options.syncMs ?? SYNC_MS, (error) => void this.#fail(error));
  }

  #make(event: AuditEvent, fields: Readonly<Record<string, unknown>>): void {
    this.#chain(event, JSON.stringify(fields));
  }

  #chain(event: AuditEvent, fields: string): void {
    const { line, link } = encodeRecord(this.#made, { event, time: this.#options.clock.now(), fields });
    this.#pending += line;
    this.#made = link;
  }

  #write(file: Appender): void {
    file.append(this.#pending);
    this.#pending = '';
    this.#written = this.#made;
  }

  /** What was made and not written is void: no answer leaves without its record. */
  #fail(thrown: unknown): KeysteadError {
    this.#file?.close();
    this.#file = undefined;
    this.#dropped ||= this.#pending !== '';
    this.#pending = '';
    this.#failure = unavailable(thrown, this.#options.folder);
    return this.#failure;
  }
}

function unavailable(thrown: unknown, folder: string): KeysteadError {
  if (thrown instanceof KeysteadError && thrown.code === 'AuditUnavailable') return thrown;
  const found = errnoOf(thrown) ?? asKeysteadError(thrown).message;
  const remedy = 'free space or repair the disk; issuing goes on by itself as soon as it can be recorded';
  return new KeysteadError('AuditUnavailable', `cannot write the audit log in ${folder}: ${found}; ${remedy}`, {
    cause: thrown,
  });
}
