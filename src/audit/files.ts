// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A file of the log. Its name holds the number of its first record, so that names sort as records do. */
export interface LogFile {
  readonly path: string;
  readonly first: number;
}

const NAME = /^audit-(\d{12})\.jsonl$/;

export function logFile(folder: string, first: number): LogFile {
  return { path: join(folder, `audit-${String(first).padStart(12, '0')}.jsonl`), first };
}

/** The files of the log in a folder, oldest first. Throws what readdir(3) fails with. */
export function logFiles(folder: string): LogFile[] {
  const numbers = readdirSync(folder).flatMap((name) => NAME.exec(name)?.[1] ?? []);
  return numbers
    .map(Number)
    .sort((a, b) => a - b)
    .map((first) => logFile(folder, first));
}
