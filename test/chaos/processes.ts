// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLab, type Lab } from '../lab/index.ts';

type Program = 'agent' | 'notary' | 'controller' | 'supervisor';

/** Host pids of one of the product's programs in the lab, by its bundle's name. Another lab's are not touched. */
export function pidsOf(program: Program): number[] {
  const { cgroup } = readLab();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => procFile(pid, 'cmdline').includes(`/opt/keystead/${program}.mjs`))
    .filter((pid) => procFile(pid, 'cgroup').includes(`:${cgroup}/`));
}

function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/** Ends a program at once; the kubelet starts it again. Returns how many processes it was. */
export function killNow(program: Program): number {
  const pids = pidsOf(program);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  return pids.length;
}

/** Pid of one of the lab's daemons, for example `kube-apiserver`. */
export function daemonPid(lab: Lab, daemon: string): number {
  return (JSON.parse(readFileSync(join(lab.dir, `${daemon}.pid.json`), 'utf8')) as { pid: number }).pid;
}
