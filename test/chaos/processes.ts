// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/index.ts';

/** Host pids of one of the product's programs, by its bundle's name. */
export function pidsOf(program: 'agent' | 'notary' | 'controller'): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => commandOf(pid).includes(`/opt/keystead/${program}.mjs`));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Ends a program at once; the kubelet starts it again. Returns how many processes it was. */
export function killNow(program: 'agent' | 'notary' | 'controller'): number {
  const pids = pidsOf(program);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids.length;
}

/** Pid of one of the lab's daemons, for example `kube-apiserver`. */
export function daemonPid(lab: Lab, daemon: string): number {
  return (JSON.parse(readFileSync(join(lab.dir, `${daemon}.pid.json`), 'utf8')) as { pid: number }).pid;
}
