// SPDX-License-Identifier: Apache-2.0
import { ProcessGone, procFileStatus, readProc, readProcLink } from '../os/proc.ts';
import { parseStat } from '../os/proc-format.ts';

/**
 * Names one program in one process: start time, executable and the random start of its stack. An exec changes it, even
 * of the same executable; a reused pid too; and so does the loss of the executable's file, which the kernel writes behind
 * its path, where it was deleted or another one was put in its place. Cheap (some 20 µs), for checks between two
 * measurements.
 * Undefined where there is no such process or it has no program (a zombie, a kernel thread).
 */
export function incarnationOf(pid: number): string | undefined {
  try {
    return readIncarnation(pid).incarnation;
  } catch (error) {
    if (error instanceof ProcessGone) return undefined;
    throw error;
  }
}

/** The same, with the start time apart. Throws ProcessGone. */
export function readIncarnation(pid: number): { readonly startTime: string; readonly incarnation: string } {
  const { startTime, stackStart } = parseStat(readProc(pid, 'stat'));
  const { device, inode } = procFileStatus(pid, 'exe');
  return { startTime, incarnation: `${startTime}/${stackStart}/${device}/${inode}${readProcLink(pid, 'exe')}` };
}
