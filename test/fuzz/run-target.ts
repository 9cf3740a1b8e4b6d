// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import { KeysteadError } from '../../src/errors.ts';
import { Dice } from './dice.ts';
import type { Attempt, Target } from './target.ts';

export interface Run {
  readonly target: Target;
  readonly seed: number;
  /** Number of the first input. */
  readonly from: number;
  readonly inputs: number;
  /** Told now and then which input comes next, so that a hang can be placed. */
  readonly progress: (index: number) => void;
}

export interface Report {
  readonly inputs: number;
  /** How many inputs ended how: `accepted`, `refused`, or the error's code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Longest time over one input, milliseconds, as the better of two tries. */
  readonly slowestMs: number;
  /** Bytes that the heap and buffers grew by from the first fifth of the inputs to their end. */
  readonly grownBytes: number;
}

/** An input that was not met as it must be. */
export class Finding extends Error {
  constructor({ target, seed }: Run, index: number, { input }: Attempt, thrown: unknown) {
    const found = thrown instanceof Error ? (thrown.stack ?? thrown.message) : `threw ${String(thrown)}`;
    const again = `npm run test:fuzz -- --target ${target.name} --seed ${seed} --from ${index} --inputs 1`;
    super(`${target.name}, input ${index} of seed ${seed}: ${found}\ninput: ${shown(input)}\nagain: ${again}`);
  }
}

export const PROGRESS_EVERY = 1024;
/** One input may take so long; a regular expression that goes back and forth takes seconds. Milliseconds. */
const MAX_MS = 250;

/** Reads all samples as they are, then so many changed ones. Throws Finding at the first that is not met well. */
export async function runTarget(run: Run): Promise<Report> {
  for (const sample of run.target.samples()) {
    const attempt = sample(new Dice(run.seed));
    const outcome = await met(run, -1, attempt);
    if (outcome !== 'accepted')
      throw new Finding(run, -1, attempt, `expected a sample to be accepted, found ${outcome}`);
  }
  return changedInputs(run);
}

async function changedInputs(run: Run): Promise<Report> {
  const { target, seed, from, inputs, progress } = run;
  const outcomes: Record<string, number> = {};
  let [slowestMs, settledBytes] = [0, 0];
  const settled = from + Math.floor(inputs / 5);
  for (let index = from; index < from + inputs; index++) {
    if ((index - from) % PROGRESS_EVERY === 0) progress(index);
    if (index === settled) settledBytes = await usedBytes();
    const attempt = target.attempt(new Dice(seed, target.name, index));
    const start = performance.now();
    const outcome = await met(run, index, attempt);
    const took = performance.now() - start;
    if (took > slowestMs && took > 20) slowestMs = Math.max(slowestMs, await secondTry(run, index, took));
    if (slowestMs > MAX_MS) throw new Finding(run, index, attempt, `took ${Math.round(slowestMs)} ms`);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return { inputs, outcomes, slowestMs, grownBytes: (await usedBytes()) - settledBytes };
}

/** The machine may have been busy with something else: the same input again, and what this process alone took counts. */
async function secondTry(run: Run, index: number, took: number): Promise<number> {
  const attempt = run.target.attempt(new Dice(run.seed, run.target.name, index));
  const before = process.cpuUsage();
  await met(run, index, attempt);
  const { user, system } = process.cpuUsage(before);
  return Math.min(took, (user + system) / 1000);
}

async function met(run: Run, index: number, attempt: Attempt): Promise<string> {
  try {
    const result = attempt.run();
    const value = result instanceof Promise ? await (result as Promise<unknown>) : result;
    return value === false ? 'refused' : 'accepted';
  } catch (thrown) {
    // Internal is how anything else than a KeysteadError looks on its way out: a defect, whoever is to blame for the input.
    const expected = thrown instanceof KeysteadError && (thrown.code !== 'Internal' || run.target.mayBeInternal);
    if (expected) return thrown.code;
    throw new Finding(run, index, attempt, thrown);
  }
}

async function usedBytes(): Promise<number> {
  // What the last inputs left waiting is not held for good.
  await new Promise(setImmediate);
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const SHOWN = 4_000;

function shown(input: unknown): string {
  const text = Buffer.isBuffer(input) ? input.toString('hex') : inspect(input, { depth: 8, maxStringLength: SHOWN });
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text;
}
