// SPDX-License-Identifier: Apache-2.0
import { readProcUpTo } from '../os/proc.ts';

/** That of a process with 65,530 mappings, the kernel's own limit, has some 10 MiB, unless it has been made long on purpose. */
const MOST_BYTES = 32 * 2 ** 20;

/** Text of /proc/<pid>/maps; undefined where it is longer than it is for any program that means well. Throws ProcessGone. */
export function memoryMap(pid: number): string | undefined {
  return readProcUpTo(pid, 'maps', MOST_BYTES);
}
