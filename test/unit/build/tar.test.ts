// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tarBytes, type TarEntry } from '../../../src/build/image/tar.ts';

const folder = mkdtempSync(join(tmpdir(), 'keystead-tar-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function bytesOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of tarBytes(entries)) parts.push(part);
  return Buffer.concat(parts);
}

/** What GNU tar makes of it: mode, owner, size, date, path. */
function listing(archive: Buffer): string[] {
  const output = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', '-'], { input: archive, encoding: 'utf8' });
  return output
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
}

const entries: TarEntry[] = [
  { kind: 'file', path: 'opt/b', mode: 0o755, content: Buffer.from('hello') },
  { kind: 'symlink', path: 'opt/a', mode: 0o777, target: 'b' },
  { kind: 'directory', path: 'tmp', mode: 0o1777, uid: 1234, gid: 5678 },
];

describe('tar', () => {
  it('is what tar understands, with parents, epoch times and numeric owners', async () => {
    expect(listing(await bytesOf(entries))).toEqual([
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 opt/',
      'lrwxrwxrwx 0/0 0 1970-01-01 00:00 opt/a -> b',
      '-rwxr-xr-x 0/0 5 1970-01-01 00:00 opt/b',
      'drwxrwxrwt 1234/5678 0 1970-01-01 00:00 tmp/',
    ]);
  });

  it('gives the same bytes whatever the order of the entries', async () => {
    expect(await bytesOf([...entries].reverse())).toEqual(await bytesOf(entries));
  });

  it.each([0, 1, 511, 512, 513, 1024 * 1024 + 1])('packs a file of %d bytes from disk', async (size) => {
    const source = join(folder, `file-${size}`);
    writeFileSync(source, Buffer.alloc(size, 'x'));
    const archive = await bytesOf([{ kind: 'file', path: 'f', mode: 0o644, content: { source, size } }]);
    expect(archive.length % 512).toBe(0);
    expect(execFileSync('tar', ['-xOf', '-', 'f'], { input: archive, maxBuffer: 1e8 })).toHaveLength(size);
  });

  it('refuses a file that became shorter', async () => {
    const source = join(folder, 'short');
    writeFileSync(source, 'abc');
    await expect(bytesOf([{ kind: 'file', path: 'f', mode: 0o644, content: { source, size: 9 } }])).rejects.toThrow(
      /became shorter/,
    );
  });

  it('refuses the same path twice and paths that a header cannot hold', async () => {
    await expect(bytesOf([...entries, ...entries])).rejects.toThrow('opt/b is twice in one layer');
    await expect(bytesOf([{ kind: 'directory', path: 'd'.repeat(101), mode: 0o755 }])).rejects.toThrow(/longer than/);
  });

  it.each([100, 101, 180, 255])('keeps a path of %d bytes as tar reads it', async (length) => {
    const folders = 'node_modules/'.repeat(Math.floor((length - 1) / 13));
    const path = folders.padEnd(length, 'x');
    const listed = listing(await bytesOf([{ kind: 'file', path, mode: 0o644, content: Buffer.from('1') }]));
    expect(listed.at(-1)).toMatch(new RegExp(` ${path}$`));
  });
});
