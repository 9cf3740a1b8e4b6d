// SPDX-License-Identifier: Apache-2.0
import { isInFile, parseStat, parseStrings } from '../os/proc-format.ts';
import { readProc, readProcUpTo } from '../os/proc.ts';
import { memoryMap } from './memory-map.ts';

export interface ProcessStrings {
  readonly argv: readonly string[];
  readonly environment: readonly string[];
}

/** The kernel gives no program more than 6 MiB of both (execve(2)). */
const MOST_BYTES = 8 * 2 ** 20;

/**
 * Command line and environment of a process, which lie in its own memory: it can write there. Where it has laid a file
 * over that memory they are not read, since a file system of its own could hold the reader for ever; nor where it says that
 * they are longer than they can be, which would take the reader's memory. What stands for the environment then says so and is
 * refused as a preload is. Throws ProcessGone.
 */
export function processStrings(pid: number): ProcessStrings {
  const { argvStart, environStart } = parseStat(readProc(pid, 'stat'));
  const maps = memoryMap(pid);
  if (maps === undefined || isInFile(maps, [argvStart, environStart])) {
    return unread('the process has laid a file over its environment');
  }
  const [argv, environment] = ['cmdline', 'environ'].map((name) => readProcUpTo(pid, name, MOST_BYTES));
  if (argv === undefined || environment === undefined) {
    return unread('the process says that its environment is longer than one can be');
  }
  return { argv: parseStrings(argv), environment: parseStrings(environment) };
}

function unread(why: string): ProcessStrings {
  return { argv: [], environment: [`LD_PRELOAD=(${why})`] };
}
