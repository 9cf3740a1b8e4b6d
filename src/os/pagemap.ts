// SPDX-License-Identifier: Apache-2.0
import { closeSync, openSync, readSync } from 'node:fs';
import { libc } from './libc.ts';

/** An entry of /proc/<pid>/pagemap, see proc_pid_pagemap(5). */
const ENTRY_BYTES = 8;
/** In the highest byte of an entry (little-endian): bit 63 present, bit 62 swapped, bit 61 of a file or shared. */
const PRESENT = 0x80;
const SWAPPED = 0x40;
const OF_FILE = 0x20;
/** Entries that are read at once: those of 128 MiB of memory. */
const AT_ONCE = 32_768;

const pageSize = libc('int getpagesize(void)');

/**
 * How many pages of private mappings of files (`<start>-<end>` as in maps), of each, are no longer the file's: somebody wrote
 * to them, with a debugger's rights where the mapping itself cannot be written. Throws what node:fs throws.
 */
export function changedPages(pid: number, ranges: readonly string[]): number[] {
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    return ranges.map((range) => changedIn(pagemap, range));
  } finally {
    closeSync(pagemap);
  }
}

function changedIn(pagemap: number, range: string): number {
  const size = BigInt(pageSize());
  const [start = 0n, end = 0n] = range.split('-').map((address) => BigInt(`0x${address}`) / size);
  let changed = 0;
  for (let at = start; at < end; at += BigInt(AT_ONCE)) {
    const left = end - at;
    changed += changedAmong(pagemap, at, left < AT_ONCE ? Number(left) : AT_ONCE);
  }
  return changed;
}

function changedAmong(pagemap: number, first: bigint, count: number): number {
  const entries = Buffer.allocUnsafe(count * ENTRY_BYTES);
  const bytes = readSync(pagemap, entries, 0, entries.length, first * BigInt(ENTRY_BYTES));
  let changed = 0;
  for (let at = ENTRY_BYTES - 1; at < bytes; at += ENTRY_BYTES) {
    const flags = entries[at] ?? 0;
    if ((flags & SWAPPED) !== 0 || (flags & (PRESENT | OF_FILE)) === PRESENT) changed++;
  }
  return changed;
}
