// SPDX-License-Identifier: Apache-2.0
/**
 * Runs test suites: `node test/run.ts [unit|integration|e2e|...]...`; none named runs all that exist. `--inputs`, `--seed`,
 * `--target` and `--from` are for the fuzz suite.
 * Suites that need the node bring it up first and, where they did so themselves, take it down at the end; chaos has a second
 * lab beside that of the others, in the folder and subnet that `suites.ts` derives from theirs.
 * The last line sums up all suites: `N passed, N failed`.
 */
import { parseArgs } from 'node:util';
import { installPackages, missingPackages } from './lab/packages.ts';
import { Progress } from './lab/progress.ts';
import { BUILD_PACKAGES, RUNTIME_PACKAGES, TEST_PACKAGES } from './lab/versions.ts';
import { LaneRunner } from './lane-runner.ts';
import { lanesOf, needsNode, SUITES } from './suites.ts';

/** Those of the labs too, before there are two of them: apt lets in one at a time. */
const PACKAGES = [...RUNTIME_PACKAGES, ...BUILD_PACKAGES, ...TEST_PACKAGES];

/** Given to the fuzz suite in its environment; see test/fuzz/README.md. */
const FUZZ_OPTIONS = ['inputs', 'seed', 'target', 'from'] as const;

async function main(): Promise<number> {
  const options = Object.fromEntries(FUZZ_OPTIONS.map((name) => [name, { type: 'string' as const }]));
  const { values, positionals: wanted } = parseArgs({ options, allowPositionals: true });
  for (const [name, value] of Object.entries(values))
    process.env[`KEYSTEAD_FUZZ_${name.toUpperCase()}`] = String(value);
  const unknown = wanted.filter((name) => !SUITES.includes(name));
  if (unknown.length > 0) {
    console.error(`No suite named ${unknown.join(', ')}; there are: ${SUITES.join(', ')}.`);
    return 2;
  }
  const lanes = lanesOf(wanted);
  if (lanes.some(needsNode)) await installPackages(await missingPackages(PACKAGES), new Progress());
  const outcomes = (await Promise.all(lanes.map((lane) => new LaneRunner(lane).run()))).flat();
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.flatMap((outcome) => outcome.failed);
  for (const what of failed) console.log(`failed: ${what}`);
  console.log(`${passed} passed, ${failed.length} failed`);
  return failed.length > 0 || passed === 0 ? 1 : 0;
}

process.exitCode = await main();
