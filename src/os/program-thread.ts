// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { reading, readProcLink, unlessGone } from './proc.ts';

/**
 * The thread at which /proc shows what a process runs: its first one, whose number is the process's own, or another where that
 * one has ended (pthread_exit in `main`) and the process goes on without it. The first where no thread has a program.
 */
export function programThread(pid: number): number {
  if (hasProgram(pid)) return pid;
  return threadsOf(pid).find(hasProgram) ?? pid;
}

function hasProgram(thread: number): boolean {
  return unlessGone(() => readProcLink(thread, 'exe')) !== undefined;
}

function threadsOf(pid: number): number[] {
  return unlessGone(() => reading(pid, () => readdirSync(`/proc/${pid}/task`)))?.map(Number) ?? [];
}
