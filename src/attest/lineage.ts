// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { errnoOf } from '../os/files.ts';
import { parseStat } from '../os/proc-format.ts';
import { parseStatus } from '../os/proc-status.ts';
import { ProcessGone, readProc, unlessGone } from '../os/proc.ts';
import type { Lineage } from './port.ts';
import { processStrings } from './process-strings.ts';

/** Longer chains of parents are not followed. */
const GENERATIONS = 256;
/** How often a chain is followed anew when one of its processes ends meanwhile, and its children get another parent. */
const ATTEMPTS = 3;

/**
 * How a process came into the container whose first process is `init`. Parents are followed upwards: who has a parent
 * in a pid namespace above the container's was put in from outside. A process whose own parents are gone is a child of
 * the container's first process by the kernel's rule; it then still belongs to the session of whoever was put in, and
 * while that one lives it shows. A process that has left that session too cannot be told from the module's own.
 * Throws ProcessGone.
 */
export function lineageOf(pid: number, init: number): Lineage {
  if (pid === init) return { kind: 'First' };
  const own = steadily(pid, () => entered(pid, init));
  const { session } = parseStat(readProc(pid, 'stat'));
  const other = own ?? (session === pid || session === 0 ? undefined : ofSession(session, init));
  if (other === undefined) return { kind: 'Descendant' };
  return { kind: 'Entered', pid: other, ...entrant(other) };
}

/** The process at the top of the chain where it was put in from outside; undefined where the chain leads to `init`. */
function entered(pid: number, init: number): number | undefined {
  let at = pid;
  for (let generation = 0; generation < GENERATIONS && at !== init; generation++) {
    const { parent } = parseStatus(readProc(at, 'status'));
    if (parent === init) return undefined;
    if (parent === 0 || depthOf(parent) < depthOf(init)) return at;
    at = parent;
  }
  return at === init ? undefined : at;
}

/** Of the pid namespace, counted from this program's. */
function depthOf(pid: number): number {
  return parseStatus(readProc(pid, 'status')).depth;
}

function ofSession(leader: number, init: number): number | undefined {
  return leader === init ? undefined : unlessGone(() => entered(leader, init));
}

function steadily<T>(pid: number, look: () => T): T {
  for (let attempt = 1; ; attempt++) {
    try {
      return look();
    } catch (error) {
      if (!(error instanceof ProcessGone) || attempt === ATTEMPTS) throw error;
      // Where the process itself is gone there is nothing to follow.
      readProc(pid, 'stat');
    }
  }
}

/** Command line and age; of one that has just ended nothing is left to tell it by. */
function entrant(pid: number): { readonly argv: readonly string[]; readonly ageSeconds: number } {
  try {
    const { startTime } = parseStat(readProc(pid, 'stat'));
    const [uptime] = readFileSync('/proc/uptime', 'utf8').split(' ');
    const ageSeconds = Number(uptime) - Number(startTime) / TICKS_PER_SECOND;
    return { argv: processStrings(pid).argv, ageSeconds };
  } catch (error) {
    // Nor of one of the node that may not be read.
    if (error instanceof ProcessGone || errnoOf(error) === 'EACCES') return { argv: [], ageSeconds: Infinity };
    throw error;
  }
}

/** USER_HZ, which is 100 on every architecture that Linux runs Node.js on. */
const TICKS_PER_SECOND = 100;
