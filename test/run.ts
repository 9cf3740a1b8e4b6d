// SPDX-License-Identifier: Apache-2.0
/**
 * Runs test suites: `node test/run.ts [unit|integration|e2e|...]...`; none named runs all that exist. `--inputs`, `--seed`,
 * `--target` and `--from` are for the fuzz suite.
 * Suites that need the node bring it up first and, where they did so themselves, take it down at the end.
 * The last line sums up all suites: `N passed, N failed`.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackages, missingPackages } from './lab/packages.ts';
import { Progress } from './lab/progress.ts';
import { TEST_PACKAGES } from './lab/versions.ts';

const ROOT = join(import.meta.dirname, '..');
/** In the order of running: cheap ones first, so that a plain mistake shows at once. */
const SUITES = ['unit', 'integration', 'e2e', 'clients', 'attack', 'chaos', 'fuzz'] as const;
const NEEDS_NODE = new Set<string>(['integration', 'e2e', 'clients', 'attack', 'chaos']);
/** Suites that use the installed product, not only the bare node. */
const NEEDS_PRODUCT = new Set<string>(['e2e', 'clients', 'attack', 'chaos']);

/** Given to the fuzz suite in its environment; see test/fuzz/README.md. */
const FUZZ_OPTIONS = ['inputs', 'seed', 'target', 'from'] as const;

interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

async function main(): Promise<number> {
  const options = Object.fromEntries(FUZZ_OPTIONS.map((name) => [name, { type: 'string' as const }]));
  const { values, positionals: wanted } = parseArgs({ options, allowPositionals: true });
  for (const [name, value] of Object.entries(values))
    process.env[`KEYSTEAD_FUZZ_${name.toUpperCase()}`] = String(value);
  const unknown = wanted.filter((name) => !(SUITES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`No suite named ${unknown.join(', ')}; there are: ${SUITES.join(', ')}.`);
    return 2;
  }
  const suites = SUITES.filter(
    (name) => existsSync(join(ROOT, 'test', name)) && (wanted.length === 0 || wanted.includes(name)),
  );
  if (suites.some((name) => NEEDS_NODE.has(name))) {
    await installPackages(await missingPackages(TEST_PACKAGES), new Progress());
  }
  const outcomes: Outcome[] = [];
  const ownsNode = suites.some((name) => NEEDS_NODE.has(name)) && !(await nodeIsUp());
  try {
    let productInstalled = false;
    for (const suite of suites) {
      if (NEEDS_NODE.has(suite) && !(await nodeIsUp())) await must('lab', ['test/lab/cli.ts', 'up']);
      if (NEEDS_PRODUCT.has(suite) && !productInstalled) {
        outcomes.push(await step('quickstart', ['test/quickstart/cli.ts']));
        productInstalled = true;
      }
      outcomes.push(await jest(suite));
    }
  } finally {
    if (ownsNode) await node(['test/quickstart/cli.ts', '--down']);
  }
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

/** Runs jest over one suite, file after file: they share one node with two cores. */
async function jest(suite: string): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-test-'));
  const report = join(folder, 'report.json');
  const workers = suite === 'unit' || suite === 'fuzz' ? [] : ['--runInBand'];
  try {
    console.log(`\n== ${suite}`);
    const args = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', `test/${suite}/`];
    const code = await node([...args, ...workers, '--json', `--outputFile=${report}`], ['ignore', 'ignore', 'inherit']);
    if (!existsSync(report)) return { passed: 0, failed: 1 };
    const result = JSON.parse(readFileSync(report, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      numRuntimeErrorTestSuites: number;
    };
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return { passed: result.numPassedTests, failed: failed === 0 && code !== 0 ? 1 : failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A command that counts as one test. */
async function step(name: string, args: readonly string[]): Promise<Outcome> {
  console.log(`\n== ${name}`);
  const code = await node(args);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
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
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main();
