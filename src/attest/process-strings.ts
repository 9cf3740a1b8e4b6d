// SPDX-License-Identifier: Apache-2.0
import { isInFile, parseStat, parseStrings } from '../os/proc-format.ts';
import { readProc } from '../os/proc.ts';

export interface ProcessStrings {
  readonly argv: readonly string[];
  readonly environment: readonly string[];
}

/**
 * Command line and environment of a process, which lie in its own memory: it can write there. Where it has laid a file
 * over that memory they are not read, since a file system of its own could hold the reader for ever; what stands for the
 * environment then says so and is refused as a preload is. Throws ProcessGone.
 */
export function processStrings(pid: number): ProcessStrings {
  const { argvStart, environStart } = parseStat(readProc(pid, 'stat'));
  const maps = readProc(pid, 'maps');
  if (isInFile(maps, [argvStart, environStart])) {
    return { argv: [], environment: ['LD_PRELOAD=(the process has laid a file over its environment)'] };
  }
  return { argv: parseStrings(readProc(pid, 'cmdline')), environment: parseStrings(readProc(pid, 'environ')) };
}
