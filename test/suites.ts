// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { labSettings } from './lab/settings.ts';

/** What one run of jest goes through: a suite, or a part of one. */
export interface Part {
  readonly suite: string;
  /** Below `test/`. */
  readonly folders: readonly string[];
  /** Files wait for each other: they share one node with two cores, or time what they see. */
  readonly inBand: boolean;
  readonly needs: 'Nothing' | 'Node' | 'Product';
}

/** Parts that run one after the other, on a lab of their own where they need one. */
export interface Lane {
  readonly parts: readonly Part[];
  /** What sets the environment's lab to the lane's; nothing for the lab that the environment names. */
  readonly environment: Readonly<Record<string, string>>;
}

const NODELESS = ['attest', 'audit', 'root-of-trust', 'softhsm', 'swtpm', 'workload'];
const onProduct = (suite: string): Part => ({ suite, folders: [suite], inBand: true, needs: 'Product' });

function integrationFolders(wanted: (name: string) => boolean): string[] {
  return readdirSync(join(import.meta.dirname, 'integration'))
    .filter(wanted)
    .map((name) => `integration/${name}`);
}

/** Cheap ones first, so that a plain mistake shows at once. */
const MAIN: readonly Part[] = [
  { suite: 'unit', folders: ['unit'], inBand: false, needs: 'Nothing' },
  {
    suite: 'integration',
    folders: integrationFolders((name) => !NODELESS.includes(name)),
    inBand: true,
    needs: 'Node',
  },
  ...['e2e', 'clients', 'attack'].map(onProduct),
];

/** Chaos kills what others need, and waits more than it works: it runs beside them. What needs no node follows it. */
const BESIDE: readonly Part[] = [
  onProduct('chaos'),
  {
    suite: 'integration',
    folders: integrationFolders((name) => NODELESS.includes(name)),
    inBand: true,
    needs: 'Nothing',
  },
  { suite: 'fuzz', folders: ['fuzz'], inBand: false, needs: 'Nothing' },
];

export const SUITES = [...new Set([...MAIN, ...BESIDE].map(({ suite }) => suite))];

export const needsNode = ({ parts }: Pick<Lane, 'parts'>): boolean => parts.some(({ needs }) => needs !== 'Nothing');

/** What runs side by side for the suites that are wanted; all where none is named. */
export function lanesOf(wanted: readonly string[]): Lane[] {
  const [main = [], beside = []] = [MAIN, BESIDE].map((parts) =>
    parts.filter(({ suite }) => wanted.length === 0 || wanted.includes(suite)),
  );
  const two = [main, beside].every((parts) => needsNode({ parts }));
  const lanes = [
    { parts: main, environment: {} },
    { parts: beside, environment: two ? secondLab() : {} },
  ];
  return lanes.filter(({ parts }) => parts.length > 0);
}

/** A lab beside the one that the environment names. */
function secondLab(): Record<string, string> {
  const { dir, addresses } = labSettings();
  const [first = 0, second = 0] = addresses.subnet.split('.').map(Number);
  return { KEYSTEAD_LAB_DIR: `${dir}-chaos`, KEYSTEAD_LAB_SUBNET: `${first}.${(second + 64) % 256}` };
}
