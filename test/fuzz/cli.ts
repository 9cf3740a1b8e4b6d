// SPDX-License-Identifier: Apache-2.0
/** Runs one target: `node --expose-gc test/fuzz/cli.ts --target NAME [--seed N] [--from I] [--inputs N]`. */
import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runTarget } from './run-target.ts';
import { TARGETS } from './targets.ts';

const string = { type: 'string' } as const;
const { values } = parseArgs({ options: { target: string, seed: string, from: string, inputs: string } });
const target = TARGETS.find(({ name }) => name === values.target);
if (!target)
  throw new Error(`no target ${values.target ?? ''}; there are: ${TARGETS.map(({ name }) => name).join(', ')}`);

const STANDARD_ERROR = 2;
const progress = (index: number): void => void writeSync(STANDARD_ERROR, `at ${index}\n`);
const [seed, from, inputs] = [Number(values.seed ?? 1), Number(values.from ?? 0), Number(values.inputs ?? 10_000)];
try {
  console.log(JSON.stringify(await runTarget({ target, seed, from, inputs, progress })));
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
}
