// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';

/**
 * What a record tells. `KeyUse`: a key was used, or its use refused. `FileOpened`: first of each file; names the oldest
 * record that rotation kept. `Started`, `Resumed`: the log was opened, at first or after it could not be written.
 * `Interrupted`: the bytes before are of a write that did not finish. `Damaged`: the bytes before, or what was expected
 * there, were changed by somebody else.
 */
export const EVENTS = ['KeyUse', 'FileOpened', 'Started', 'Resumed', 'Interrupted', 'Damaged'] as const;
export type AuditEvent = (typeof EVENTS)[number];

/** A place in the chain: the record with this number has this hash. */
export interface Link {
  readonly seq: number;
  readonly hash: string;
}

/** Before the first record. */
export const ORIGIN: Link = { seq: 0, hash: '0'.repeat(64) };

/** One line of the audit log. Fields beside these depend on the event. */
export interface AuditRecord extends Link {
  /** RFC 3339 with milliseconds. */
  readonly time: string;
  /** `hash` of the record before. */
  readonly previous: string;
  readonly event: AuditEvent;
  readonly [field: string]: unknown;
}

const HASH_FIELD = ',"hash":"';
/** `,"hash":"<64 hex digits>"}` at the end of each line. */
const SEAL_LENGTH = HASH_FIELD.length + 64 + 2;
const SEAL = /^,"hash":"([0-9a-f]{64})"\}$/;

export interface Content {
  readonly event: AuditEvent;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** A JSON object. */
  readonly fields: string;
}

/**
 * The next line after `before`, and its place in the chain. The hash covers every byte of the line before the hash
 * itself, the former record's hash among them; so whoever knows the last hash knows that all is as it was written.
 */
export function encodeRecord(before: Link, { event, time, fields }: Content): { line: string; link: Link } {
  const seq = before.seq + 1;
  const head = `{"seq":${seq},"time":"${new Date(time).toISOString()}","previous":"${before.hash}","event":"${event}"`;
  const text = fields === '{}' ? head : `${head},${fields.slice(1, -1)}`;
  const digest = hash('sha256', text);
  return { line: `${text}${HASH_FIELD}${digest}"}\n`, link: { seq, hash: digest } };
}

/** Reads a line without its newline. Undefined where it is not a record just as it was written. */
export function parseRecord(line: Buffer): AuditRecord | undefined {
  const seal = SEAL.exec(line.subarray(-SEAL_LENGTH).toString('latin1'));
  if (!seal || hash('sha256', line.subarray(0, -SEAL_LENGTH)) !== seal[1]) return undefined;
  try {
    const record = JSON.parse(line.toString('utf8')) as AuditRecord;
    const sound = Number.isSafeInteger(record.seq) && EVENTS.includes(record.event);
    return sound && typeof record.previous === 'string' && typeof record.time === 'string' ? record : undefined;
  } catch {
    return undefined;
  }
}

/** A line of a file, by its bytes. */
export interface Line {
  readonly bytes: Buffer;
  /** Counted from 1. */
  readonly number: number;
  /** Offset of the first byte. */
  readonly start: number;
  /** Whether a newline ends it. */
  readonly ended: boolean;
}

export function* linesOf(content: Buffer): Generator<Line, void, undefined> {
  let start = 0;
  for (let number = 1; start < content.length; number++) {
    const newline = content.indexOf(0x0a, start);
    const end = newline < 0 ? content.length : newline;
    yield { bytes: content.subarray(start, end), number, start, ended: newline >= 0 };
    start = end + 1;
  }
}
