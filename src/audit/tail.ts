// SPDX-License-Identifier: Apache-2.0
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { LogFile } from './files.ts';
import { linesOf, ORIGIN, parseRecord, type Line, type Link } from './record.ts';

/** Bytes at a file's end that are no record. */
export interface Leftover {
  readonly bytes: number;
  readonly sha256: string;
  /** Whether they look like a write that did not finish: no end of a record, or blocks never filled. */
  readonly unfinished: boolean;
}

/** How a log ends. */
export interface Tail {
  /** What the next record follows. */
  readonly link: Link;
  /** The last record in the files that is as it was written. */
  readonly found: Link;
  /** Of the newest file. */
  readonly leftover?: Leftover;
  /** Whether the newest file lacks the newline at its end. */
  readonly open: boolean;
  /** Whether the newest file holds no record, or there is none. */
  readonly fresh: boolean;
}

/**
 * Looks for the last sound record, from the newest file backwards. `known` is the last that this process wrote itself:
 * where the files do not hold it any more, the chain goes on from it all the same. Throws what read(2) fails with.
 */
export function tailOf(files: readonly LogFile[], known?: Link): Tail {
  let newest: Pick<Tail, 'leftover' | 'open' | 'fresh'> | undefined;
  let found: Link | undefined;
  let holdsKnown = known === undefined;
  for (const { path } of files.toReversed()) {
    const content = readFileSync(path);
    const { link, end } = lastRecord(content);
    newest ??= endOfNewest(content, end);
    holdsKnown ||= content.subarray(0, end).includes(`"hash":"${known?.hash ?? ''}"`);
    found ??= link;
    if (found && holdsKnown) break;
  }
  const link = holdsKnown ? found : known;
  return { link: link ?? ORIGIN, found: found ?? ORIGIN, ...(newest ?? { open: false, fresh: true }) };
}

function endOfNewest(content: Buffer, end: number): Pick<Tail, 'leftover' | 'open' | 'fresh'> {
  const open = content.length > 0 && content.at(-1) !== NEWLINE;
  return { open, fresh: end === 0, ...(end < content.length && { leftover: describe(content.subarray(end)) }) };
}

const NEWLINE = 0x0a;

/** The last record, whether its newline was written or not, and where the bytes after it start. */
function lastRecord(content: Buffer): { link?: Link; end: number } {
  for (const line of [...linesOf(content)].toReversed()) {
    const record = parseRecord(line.bytes);
    if (record) return { link: { seq: record.seq, hash: record.hash }, end: endOf(line) };
  }
  return { end: 0 };
}

function endOf({ start, bytes }: Line): number {
  return start + bytes.length + 1;
}

function describe(bytes: Buffer): Leftover {
  const finished = bytes.toString('latin1').endsWith('"}\n') && !bytes.includes(0);
  return { bytes: bytes.length, sha256: hash('sha256', bytes), unfinished: !finished };
}
