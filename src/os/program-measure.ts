// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What a program consists of on disk, apart from Node.js. */
export interface ProgramMeasure {
  /** SHA-256, hex, over what `sha256sum` prints for the files in this order: one figure for all. */
  readonly sha256: string;
  /** SHA-256, hex, of each file by its name, sorted by name. */
  readonly files: Readonly<Record<string, string>>;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * Measures a program by its entry file: a bundle (`x.mjs`) with its chunks (`x-*.mjs`) and the native modules beside it
 * (`*.node`); of anything else the file alone. `cd /opt/keystead && sha256sum FILES | sha256sum` gives the same. Throws
 * what reading throws.
 */
export function measureProgram(entry: string): ProgramMeasure {
  const folder = dirname(entry);
  const name = basename(entry);
  const stem = /^(.+)\.mjs$/.exec(name)?.[1];
  const belongs = (other: string): boolean =>
    other === name ||
    (stem !== undefined && (other.endsWith('.node') || (other.startsWith(`${stem}-`) && other.endsWith('.mjs'))));
  const names = readdirSync(folder).filter(belongs).sort();
  const files = Object.fromEntries(names.map((each) => [each, digestOf(join(folder, each))]));
  const listing = names.map((each) => `${files[each] ?? ''}  ${each}\n`).join('');
  return { sha256: createHash('sha256').update(listing).digest('hex'), files };
}

/** In pieces, so that the memory of a small process stays small. */
function digestOf(path: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const file = openSync(path, 'r');
  try {
    for (let length = readSync(file, chunk); length > 0; length = readSync(file, chunk))
      hash.update(chunk.subarray(0, length));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
