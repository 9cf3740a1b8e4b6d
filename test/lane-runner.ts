// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { needsNode, type Lane, type Part } from './suites.ts';

const ROOT = join(import.meta.dirname, '..');
/** Of what needs no node, in a lane beside others. */
const LOWER_PRIORITY = 10;
const QUICKSTART = 'test/quickstart/cli.ts';

export interface Outcome {
  readonly passed: number;
  /** One line for each: what failed, and where it can be read up. */
  readonly failed: readonly string[];
}

/** What jest writes with `--json`, as far as it is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: 'passed' | 'failed';
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** The tests that failed; a file that failed without any of them (it could not be read, or a hook of it failed) counts as one. */
function failuresIn({ testResults }: Report): string[] {
  return testResults
    .filter(({ status }) => status === 'failed')
    .flatMap(({ name, assertionResults }) => {
      const file = relative(ROOT, name);
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      return failed.length === 0 ? [file] : failed.map(({ fullName }) => `${file}: ${fullName}`);
    });
}

type Stdio = 'ignore' | 'inherit';

/** Runs the parts of a lane one after the other, on the lane's lab. */
export class LaneRunner {
  readonly #lane: Lane;
  readonly #environment: NodeJS.ProcessEnv;
  #hasProduct = false;

  constructor(lane: Lane) {
    this.#lane = lane;
    this.#environment = { ...process.env, ...lane.environment };
  }

  /** Brings the node up where it is needed and, where that was so, takes it down at the end. What hinders it counts as a failed test. */
  async run(): Promise<Outcome[]> {
    const ownsNode = needsNode(this.#lane) && !(await this.#nodeIsUp());
    const outcomes: Outcome[] = [];
    try {
      for (const part of this.#lane.parts) outcomes.push(...(await this.#part(part)));
    } catch (error) {
      console.error(error);
      outcomes.push({ passed: 0, failed: [error instanceof Error ? error.message : String(error)] });
    } finally {
      if (ownsNode) await this.#node([QUICKSTART, '--down']);
    }
    return outcomes;
  }

  async #part(part: Part): Promise<Outcome[]> {
    if (part.needs === 'Nothing') return [await this.#jest(part, needsNode(this.#lane) ? LOWER_PRIORITY : 0)];
    if (!(await this.#nodeIsUp())) await this.#bringUp();
    if (part.needs === 'Node') return [await this.#jest(part)];
    const installed = this.#hasProduct ? [] : [await this.#step('quickstart', [QUICKSTART])];
    this.#hasProduct = true;
    const outcome = await this.#jest(part);
    return [...installed, outcome, await this.#step(`left over by ${part.suite}`, ['test/e2e/left-over.ts'])];
  }

  async #jest({ suite, folders, inBand }: Part, priority = 0): Promise<Outcome> {
    const folder = mkdtempSync(join(tmpdir(), 'keystead-test-'));
    const report = join(folder, 'report.json');
    try {
      console.log(`\n== ${suite}`);
      const args = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js'];
      const options = [...(inBand ? ['--runInBand'] : []), '--json', `--outputFile=${report}`];
      const paths = folders.map((name) => `/test/${name}`);
      const code = await this.#node([...args, ...options, ...paths], ['ignore', 'ignore', 'inherit'], priority);
      const stopped = `${suite}: jest ended with exit code ${code}`;
      if (!existsSync(report)) return { passed: 0, failed: [stopped] };
      const result = JSON.parse(readFileSync(report, 'utf8')) as Report;
      const failed = failuresIn(result);
      return { passed: result.numPassedTests, failed: failed.length === 0 && code !== 0 ? [stopped] : failed };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** A command that counts as one test. */
  async #step(name: string, args: readonly string[]): Promise<Outcome> {
    console.log(`\n== ${name}`);
    const code = await this.#node(args);
    return code === 0 ? { passed: 1, failed: [] } : { passed: 0, failed: [`${name}: exit code ${code}`] };
  }

  async #bringUp(): Promise<void> {
    console.log('\n== lab');
    const code = await this.#node(['test/lab/cli.ts', 'up']);
    if (code !== 0) throw new Error(`lab failed with exit code ${code}; what it printed above says why.`);
  }

  async #nodeIsUp(): Promise<boolean> {
    return (await this.#node(['test/lab/cli.ts', 'status'], ['ignore', 'ignore', 'ignore'])) === 0;
  }

  #node(
    args: readonly string[],
    stdio: [Stdio, Stdio, Stdio] = ['ignore', 'inherit', 'inherit'],
    priority = 0,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, { cwd: ROOT, stdio, env: this.#environment });
      if (child.pid !== undefined && priority !== 0) setPriority(child.pid, priority);
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
  }
}
