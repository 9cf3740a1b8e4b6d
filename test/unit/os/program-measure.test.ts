// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { measureProgram } from '../../../src/os/program-measure.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'measure-'));
  for (const name of ['notary.mjs', 'notary-AB12.mjs', 'agent.mjs', 'pkcs11.node', 'notary.ts'])
    writeFileSync(join(folder, name), name.repeat(20_000));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the measure of a bundle', () => {
  it('is what sha256sum says of it, its chunks and the native modules', () => {
    const { sha256, files } = measureProgram(join(folder, 'notary.mjs'));
    expect(Object.keys(files)).toEqual(['notary-AB12.mjs', 'notary.mjs', 'pkcs11.node']);
    const script = 'sha256sum notary-AB12.mjs notary.mjs pkcs11.node | sha256sum';
    expect(execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' })).toBe(`${sha256}  -\n`);
  });

  it.each([
    ['notary.mjs', true],
    ['notary-AB12.mjs', true],
    ['pkcs11.node', true],
    ['agent.mjs', false],
  ])('with %s changed is another: %s', (name, changes) => {
    const before = measureProgram(join(folder, 'notary.mjs')).sha256;
    appendFileSync(join(folder, name), 'x');
    expect(measureProgram(join(folder, 'notary.mjs')).sha256 !== before).toBe(changes);
  });
});

it('the measure of a program in source is that of its file', () => {
  expect(Object.keys(measureProgram(join(folder, 'notary.ts')).files)).toEqual(['notary.ts']);
});
