// SPDX-License-Identifier: Apache-2.0
import { readFileSync, statSync } from 'node:fs';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';
import { logFiles } from './files.ts';
import { linesOf, parseRecord } from './record.ts';
import type { LogContent } from './verify.ts';

export interface AuditSource {
  /** In the order of their records. */
  readonly paths: readonly string[];
  /** Whether a whole folder is among them. */
  readonly whole: boolean;
}

/** Finds the files of a log by files and folders. Throws NotFound where there are none. */
export function auditSource(given: readonly string[]): AuditSource {
  const folders = given.filter((path) => about(path, () => statSync(path).isDirectory()));
  const inFolders = folders.flatMap((folder) => about(folder, () => logFiles(folder)).map(({ path }) => path));
  const paths = [...new Set([...given.filter((path) => !folders.includes(path)), ...inFolders])];
  if (paths.length === 0) {
    throw new KeysteadError('NotFound', `no audit-*.jsonl in ${folders.join(', ')}: name the notary's state folder`);
  }
  return {
    paths: paths.length === 1 ? paths : paths.sort((a, b) => firstOf(a) - firstOf(b)),
    whole: folders.length > 0,
  };
}

/** Reads one file after the other, so that one at a time is in memory. */
export function* contents({ paths }: AuditSource): Generator<LogContent, void, undefined> {
  for (const path of paths) yield { path, content: about(path, () => readFileSync(path)) };
}

/** Number of the first sound record; a file without any comes last. */
function firstOf(path: string): number {
  for (const { bytes } of linesOf(about(path, () => readFileSync(path)))) {
    const record = parseRecord(bytes);
    if (record) return record.seq;
  }
  return Number.MAX_SAFE_INTEGER;
}

function about<T>(path: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    const errno = errnoOf(cause);
    const code = errno === 'ENOENT' ? 'NotFound' : errno === 'EACCES' ? 'PermissionDenied' : 'Internal';
    const remedy = 'name a file or the state folder of the notary, and read it as root or as the notary';
    throw new KeysteadError(code, `cannot read ${path}: ${errno ?? String(cause)}; ${remedy}`, { cause });
  }
}
