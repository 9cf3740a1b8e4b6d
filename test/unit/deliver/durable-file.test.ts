// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeysteadError } from '../../../src/errors.ts';
import { errnoOf, isTemporaryName, removeDurably, writeDurably } from '../../../src/os/files.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keystead-files-'));
  path = join(folder, 'record.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

const thrownBy = async (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe('writeDurably', () => {
  it('writes privately unless told, whatever the umask', async () => {
    const before = process.umask(0o777);
    try {
      await writeDurably(path, 'one');
      expect(statSync(path).mode & 0o777).toBe(0o600);
      await writeDurably(path, 'two', { mode: 0o644, owner: { uid: process.getuid!(), gid: process.getgid!() } });
    } finally {
      process.umask(before);
    }
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(folder)).toEqual(['record.json']);
  });

  it('replaces the file instead of writing into it, so that an open reader keeps the old content whole', async () => {
    writeFileSync(path, 'old');
    const before = statSync(path).ino;
    await writeDurably(path, 'new');
    expect(statSync(path).ino).not.toBe(before);
  });

  it('leaves nothing behind, and the old content in place, when it fails', async () => {
    mkdirSync(path);
    expect(errnoOf(await thrownBy(writeDurably(path, 'x')))).toBe('EISDIR');
    expect(errnoOf(await thrownBy(writeDurably(join(folder, 'no', 'x'), 'x')))).toBe('ENOENT');
    expect(readdirSync(folder)).toEqual(['record.json']);
  });
});

describe('removeDurably', () => {
  it('tells whether there was a file', async () => {
    writeFileSync(path, 'x');
    await expect(removeDurably(path)).resolves.toBe(true);
    await expect(removeDurably(path)).resolves.toBe(false);
  });
});

describe('isTemporaryName', () => {
  it.each([
    ['.record.json.0a1b2c.tmp', true],
    ['record.json', false],
    ['.hidden', false],
    ['record.tmp', false],
  ])('%s: %s', (name, temporary) => expect(isTemporaryName(name)).toBe(temporary));
});

describe('errnoOf', () => {
  it('finds the code of a system error, also as the cause of one of ours', () => {
    const system = Object.assign(new Error('x'), { code: 'EBUSY' });
    expect(errnoOf(system)).toBe('EBUSY');
    expect(errnoOf(new KeysteadError('Internal', 'umount2 failed', { cause: system }))).toBe('EBUSY');
  });

  it.each([[undefined], ['EBUSY'], [new Error('x')], [{ code: 16 }], [null]])('knows none of %p', (thrown) =>
    expect(errnoOf(thrown)).toBeUndefined(),
  );
});
