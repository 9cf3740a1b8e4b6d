// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { pidsOf } from '../chaos/processes.ts';

export interface Memory {
  /** Proportional set size and private dirty pages in MB (10^6 bytes), by process and in all. */
  readonly pss: Readonly<Record<string, number>>;
  readonly privateDirty: Readonly<Record<string, number>>;
}

/** Memory of the product's processes on this node, from /proc/<pid>/smaps_rollup. */
export function measureMemory(): Memory {
  const pss: Record<string, number> = {};
  const privateDirty: Record<string, number> = {};
  for (const program of ['controller', 'supervisor', 'agent', 'notary'] as const) {
    const rollups = pidsOf(program).map((pid) => readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    pss[program] = megabytes(rollups, 'Pss');
    privateDirty[program] = megabytes(rollups, 'Private_Dirty');
  }
  for (const part of [pss, privateDirty])
    part['total'] = rounded(Object.values(part).reduce((sum, each) => sum + each, 0));
  return { pss, privateDirty };
}

function megabytes(rollups: readonly string[], field: string): number {
  const kilobytes = rollups.map((text) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0));
  return rounded((kilobytes.reduce((sum, each) => sum + each, 0) * 1024) / 1e6);
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
