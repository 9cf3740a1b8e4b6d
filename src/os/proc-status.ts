// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../errors.ts';

/** Parser of /proc/<pid>/status, see proc_pid_status(5). Pure. */

/** Who a process is and what it may do. Ids are those of the reader's user namespace. */
export interface ProcStatus {
  /** Parent; 0 where it lies outside of the reader's pid namespace. */
  readonly parent: number;
  /** How many pid namespaces lie between the reader's and its own, both counted. */
  readonly depth: number;
  /** The process that traces it; 0 for none. */
  readonly tracer: number;
  /** Real, effective, saved, file system. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** Bits of the permitted capability set. */
  readonly permitted: bigint;
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'Off' | 'Strict' | 'Filter';
}

/** Throws Internal where a field is missing, as no kernel since 4.10 leaves one out (but seccomp, where not built in). */
export function parseStatus(text: string): ProcStatus {
  const line = (name: string): string => {
    const head = `\n${name}:\t`;
    const at = text.indexOf(head);
    if (at === -1) throw malformed(name, text);
    const end = text.indexOf('\n', at + head.length);
    return text.slice(at + head.length, end === -1 ? undefined : end);
  };
  const numbers = (name: string): number[] => [...line(name).matchAll(/\d+/g)].map(Number);
  const [uids, gids] = [numbers('Uid'), numbers('Gid')];
  if (uids.length !== 4 || gids.length !== 4) throw malformed('Uid and Gid', text);
  const permitted = line('CapPrm').trim();
  if (!/^[0-9a-f]+$/.test(permitted)) throw malformed('CapPrm', text);
  return {
    parent: numbers('PPid')[0] ?? 0,
    depth: numbers('NSpid').length,
    tracer: numbers('TracerPid')[0] ?? 0,
    uids,
    gids,
    groups: numbers('Groups'),
    permitted: BigInt(`0x${permitted}`),
    noNewPrivileges: line('NoNewPrivs').trim() === '1',
    seccomp: MODES[/^Seccomp:\t(\d)$/m.exec(text)?.[1] ?? '0'] ?? 'Filter',
  };
}

const MODES: Readonly<Record<string, ProcStatus['seccomp']>> = { 0: 'Off', 1: 'Strict', 2: 'Filter' };

function malformed(field: string, text: string): KeysteadError {
  const found = JSON.stringify(text.slice(0, 80));
  return new KeysteadError('Internal', `/proc/<pid>/status: expected ${field}, found ${found}`);
}
