// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { PROGRESS_EVERY, type Report } from './run-target.ts';
import { TARGETS } from './targets.ts';

/** Over all targets. */
const INPUTS = Number(process.env['KEYSTEAD_FUZZ_INPUTS'] ?? 1_000_000);
const SEED = Number(process.env['KEYSTEAD_FUZZ_SEED'] ?? 1);
const FROM = Number(process.env['KEYSTEAD_FUZZ_FROM'] ?? 0);
const ONLY = process.env['KEYSTEAD_FUZZ_TARGET'];
/** Without a sign of life for so long a target hangs. Milliseconds. */
const HANG_MS = 60_000;
const MAX_GROWN_BYTES = 16 * 1024 * 1024;
/** With fewer inputs than this it is chance whether one is still well-formed. */
const TELLING = 2_000;

jest.setTimeout(3_600_000);

const chosen = TARGETS.filter(({ name }) => ONLY === undefined || name === ONLY);
const weights = chosen.reduce((sum, { weight }) => sum + weight, 0);

/** Runs a target in a process of its own: a crash or a hang there is a failure here. */
function fuzz(name: string, inputs: number): Promise<Report> {
  const options = { target: name, seed: SEED, from: FROM, inputs };
  const args = Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]);
  const child = spawn(process.execPath, ['--expose-gc', join(import.meta.dirname, 'cli.ts'), ...args]);
  let [output, errors, reached] = ['', '', FROM];
  return new Promise((resolve, reject) => {
    const hung = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      hung.refresh();
      errors += chunk.toString();
      reached = Number(/at (\d+)\n(?![^]*at \d+\n)/.exec(errors)?.[1] ?? reached);
      errors = errors.replace(/^at \d+\n/gm, '');
    });
    child.on('close', (code, signal) => {
      clearTimeout(hung);
      if (code === 0) resolve(JSON.parse(output) as Report);
      const where = `between input ${reached} and ${reached + PROGRESS_EVERY} of seed ${SEED}`;
      reject(
        new Error(signal === null ? errors : `${name} ${signal === 'SIGKILL' ? 'hangs' : signal} ${where}\n${errors}`),
      );
    });
  });
}

describe('changed input is taken or refused, and nothing else happens:', () => {
  it.each(chosen)('$name', async ({ name, weight, outcome, atLeast }) => {
    const inputs = ONLY === undefined ? Math.max(atLeast, Math.ceil((INPUTS * weight) / weights)) : INPUTS;
    const { outcomes, grownBytes } = await fuzz(name, inputs);
    const { accepted = 0 } = outcomes;
    expect(grownBytes).toBeLessThan(MAX_GROWN_BYTES);
    if (inputs < TELLING) return;
    // Otherwise the changes are so coarse, or so fine, that the parser is hardly tried.
    if (outcome !== 'refuses') expect(accepted).toBeGreaterThan(0);
    if (outcome !== 'accepts') expect(accepted).toBeLessThan(inputs);
  });
});
