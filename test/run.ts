// SPDX-License-Identifier: Apache-2.0
/**
 * Runs test suites: `node test/run.ts [unit|integration|e2e|...]...`; none named runs all that exist. `--inputs`, `--seed`,
 * `--target` and `--from` are for the fuzz suite.
 * Suites that need the node bring it up first and, where they did so themselves, take it down at the end.
 * The last line sums up all suites: `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackages, missingPackages } from './lab/packages.ts';
import { Progress } from './lab/progress.ts';
import { TEST_PACKAGES } from './lab/versions.ts';

const ROOT = join(import.meta.dirname, '..');

/** What one run of jest goes through: a suite, or a part of one. */
interface Part {
  readonly suite: string;
  /** Below `test/`. */
  readonly folders: readonly string[];
  /** Files wait for each other: they share one node with two cores, or time what they see. */
  readonly inBand: boolean;
  readonly needs: 'Nothing' | 'Node' | 'Product';
}

const NODELESS = ['attest', 'audit', 'root-of-trust', 'softhsm', 'swtpm', 'workload'];
const onProduct = (suite: string): Part => ({ suite, folders: [suite], inBand: true, needs: 'Product' });

/** In the order of running: cheap ones first, so that a plain mistake shows at once. */
const PARTS: readonly Part[] = [
  { suite: 'unit', folders: ['unit'], inBand: false, needs: 'Nothing' },
  {
    suite: 'integration',
    folders: integrationFolders((name) => !NODELESS.includes(name)),
    inBand: true,
    needs: 'Node',
  },
  ...['e2e', 'clients', 'attack', 'chaos'].map(onProduct),
  {
    suite: 'integration',
    folders: integrationFolders((name) => NODELESS.includes(name)),
    inBand: true,
    needs: 'Nothing',
  },
  { suite: 'fuzz', folders: ['fuzz'], inBand: false, needs: 'Nothing' },
];
const SUITES = [...new Set(PARTS.map(({ suite }) => suite))];
/** It waits more than it works: what comes after it and needs no node runs beside it, at a lower priority. */
const WAITING = 'chaos';
const LOWER_PRIORITY = 10;

function integrationFolders(wanted: (name: string) => boolean): string[] {
  return readdirSync(join(ROOT, 'test/integration'))
    .filter(wanted)
    .map((name) => `integration/${name}`);
}

/** Given to the fuzz suite in its environment; see test/fuzz/README.md. */
const FUZZ_OPTIONS = ['inputs', 'seed', 'target', 'from'] as const;

const QUICKSTART = 'quickstart';

interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
}

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
  const parts = PARTS.filter(({ suite }) => wanted.length === 0 || wanted.includes(suite));
  const needsNode = parts.some(({ needs }) => needs !== 'Nothing');
  if (needsNode) await installPackages(await missingPackages(TEST_PACKAGES), new Progress());
  const ownsNode = needsNode && !(await nodeIsUp());
  const outcomes: Outcome[] = [];
  try {
    outcomes.push(...(await runAll(parts)));
  } finally {
    if (ownsNode) await node(['test/quickstart/cli.ts', '--down']);
  }
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

async function runAll(parts: readonly Part[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = [...parts];
  for (let part = left.shift(); part; part = left.shift()) {
    if (part.needs !== 'Nothing' && !(await nodeIsUp())) await must('lab', ['test/lab/cli.ts', 'up']);
    if (part.needs === 'Product' && outcomes.every(({ name }) => name !== QUICKSTART)) {
      outcomes.push(await step(QUICKSTART, ['test/quickstart/cli.ts']));
    }
    const beside = part.suite === WAITING ? left.splice(0) : [];
    const [outcome, others] = await Promise.all([jest(part), oneByOne(beside)]);
    outcomes.push(outcome, ...others);
    if (part.needs === 'Product') outcomes.push(await step(`left over by ${part.suite}`, ['test/e2e/left-over.ts']));
  }
  return outcomes;
}

async function oneByOne(parts: readonly Part[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const part of parts) outcomes.push(await jest(part, LOWER_PRIORITY));
  return outcomes;
}

async function jest({ suite, folders, inBand }: Part, priority = 0): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-test-'));
  const report = join(folder, 'report.json');
  try {
    console.log(`\n== ${suite}`);
    const args = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js'];
    const options = [...(inBand ? ['--runInBand'] : []), '--json', `--outputFile=${report}`];
    const paths = folders.map((name) => `/test/${name}`);
    const code = await node([...args, ...options, ...paths], ['ignore', 'ignore', 'inherit'], priority);
    if (!existsSync(report)) return { name: suite, passed: 0, failed: 1 };
    const result = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      numRuntimeErrorTestSuites: number;
    };
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return { name: suite, passed: result.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A command that counts as one test. */
async function step(name: string, args: readonly string[]): Promise<Outcome> {
  console.log(`\n== ${name}`);
  const code = await node(args);
  return code === 0 ? { name, passed: 1, failed: 0 } : { name, passed: 0, failed: 1 };
}

async function must(name: string, args: readonly string[]): Promise<void> {
  console.log(`\n== ${name}`);
  const code = await node(args);
  if (code !== 0) throw new Error(`${name} failed with exit code ${code}; what it printed above says why.`);
}

async function nodeIsUp(): Promise<boolean> {
  return (await node(['test/lab/cli.ts', 'status'], ['ignore', 'ignore', 'ignore'])) === 0;
}

type Stdio = 'ignore' | 'inherit';

async function node(
  args: readonly string[],
  stdio: [Stdio, Stdio, Stdio] = ['ignore', 'inherit', 'inherit'],
  priority = 0,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio });
    if (child.pid !== undefined && priority !== 0) setPriority(child.pid, priority);
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main();
