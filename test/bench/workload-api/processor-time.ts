// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';

/** Processor time that processes have taken so far, milliseconds: the sum over their threads (proc(5), schedstat). */
export function processorMs(pids: readonly number[]): number {
  const tasks = pids.flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}/schedstat`),
  );
  return tasks.reduce((sum, file) => sum + nanoseconds(file), 0) / 1e6;
}

function nanoseconds(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8').split(' ')[0]);
  } catch {
    // A thread that has ended.
    return 0;
  }
}

/** Proportional set size of a process in megabytes (10^6 bytes). */
export function pssMegabytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Math.round((Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * 1024) / 1e5) / 10;
}
