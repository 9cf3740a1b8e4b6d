// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundlePrograms, describeBundles, PROGRAMS, type Bundle } from '../../../src/build/bundle.ts';

describe('bundles', () => {
  // Far away from any node_modules: what a bundle needs must lie beside it.
  const folder = mkdtempSync(join(tmpdir(), 'keystead-bundle-'));
  let bundles: Bundle[];

  beforeAll(async () => {
    const entry = join(import.meta.dirname, 'native-modules-entry.ts');
    bundles = await bundlePrograms(folder, { notary: entry, absent: 'src/bin/no-such-program.ts' });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('leaves out programs whose entry does not exist', () => {
    expect(bundles.map(({ name }) => name)).toEqual(['notary']);
  });

  it('puts both native modules beside the bundle', () => {
    const found = readdirSync(folder).sort();
    expect(found).toEqual([`koffi-linux-${process.arch}.node`, 'notary.mjs', 'pkcs11.node']);
  });

  it('loads both native modules', () => {
    const output = execFileSync(process.execPath, [join(folder, 'notary.mjs')], { encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual({ samePid: true, pkcs11: 'function' });
  });

  it('fails at start where the native module is missing, instead of taking another', () => {
    const binary = join(folder, `koffi-linux-${process.arch}.node`);
    renameSync(binary, `${binary}.away`);
    try {
      const start = () => execFileSync(process.execPath, [join(folder, 'notary.mjs')], { stdio: 'pipe' });
      expect(start).toThrow(/Cannot find module '.\/koffi-linux/);
    } finally {
      renameSync(`${binary}.away`, binary);
    }
  });

  it('tells the bytes of each bundle and the packages of the notary', () => {
    const text = describeBundles(bundles);
    expect(text).toMatch(/^notary\s+\d+ bytes$/m);
    expect(text).toMatch(/^ {2}koffi\s+\d+ bytes$/m);
    expect(text).toMatch(/^ {2}pkcs11js\s+\d+ bytes$/m);
  });
});

describe('the trusted core', () => {
  const MOST_PACKAGES = 25;
  const MOST_BYTES = 700_000;
  const folder = mkdtempSync(join(tmpdir(), 'keystead-notary-'));
  let notary: Bundle;

  beforeAll(async () => {
    const [bundle] = await bundlePrograms(folder, { notary: PROGRAMS.notary });
    if (!bundle) throw new Error('the notary has no bundle');
    notary = bundle;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('stays small', () => {
    expect(notary.packages.length - 1).toBeLessThanOrEqual(MOST_PACKAGES);
    expect(notary.bytes).toBeLessThanOrEqual(MOST_BYTES);
  });

  it('holds the packages that its README gives a reason for, and no others', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../../src/notary/README.md'), 'utf8');
    const listed = [...readme.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
    const held = notary.packages.map(([name]) => name).filter((name) => name !== 'keystead');
    expect(listed.sort()).toEqual(held.sort());
  });
});
