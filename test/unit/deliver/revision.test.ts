// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRevision, settle, swapIn, type Revision } from '../../../src/deliver/revision.ts';

const uid = process.getuid!();
const gid = process.getgid!();
const revision = (files: Record<string, string>, mode = 0o444): Revision =>
  new Map(Object.entries(files).map(([name, content]) => [name, { content, mode, uid, gid }]));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keystead-revision-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const visible = (): string[] => readdirSync(directory).filter((name) => !name.startsWith('..'));
const revisions = (): string[] => readdirSync(directory).filter((name) => name.startsWith('..rev-'));

describe('swapIn', () => {
  it('lays files out as the kubelet does', () => {
    expect(swapIn(directory, revision({ 'ca.crt': 'A', 'tls.key': 'K' }))).toBe(true);
    expect(readlinkSync(join(directory, 'ca.crt'))).toBe('..data/ca.crt');
    expect(revisions()).toEqual([readlinkSync(join(directory, '..data'))]);
    expect(readdirSync(directory).sort()).toEqual(['..data', ...revisions(), 'ca.crt', 'tls.key']);
    expect(readFileSync(join(directory, 'ca.crt'), 'utf8')).toBe('A');
  });

  it('gives files and directories just the modes asked, whatever the umask', () => {
    const before = process.umask(0o077);
    try {
      swapIn(directory, revision({ open: 'A' }, 0o444));
    } finally {
      process.umask(before);
    }
    expect(statSync(join(directory, 'open')).mode & 0o777).toBe(0o444);
    expect(statSync(join(directory, '..data/')).mode & 0o777).toBe(0o755);
  });

  it('does nothing where nothing differs', () => {
    swapIn(directory, revision({ a: '1' }));
    const before = readlinkSync(join(directory, '..data'));
    expect(swapIn(directory, revision({ a: '1' }))).toBe(false);
    expect(readlinkSync(join(directory, '..data'))).toBe(before);
  });

  it.each([
    ['content', revision({ a: '2' })],
    ['mode', revision({ a: '1' }, 0o400)],
    ['names', revision({ a: '1', b: '1' })],
  ])('swaps where %s differs', (_, next) => {
    swapIn(directory, revision({ a: '1' }));
    expect(swapIn(directory, next)).toBe(true);
    expect(readRevision(directory)).toEqual(next);
  });

  it('keeps the revision before for readers that have just resolved it, and none older', () => {
    swapIn(directory, revision({ a: '1' }));
    const first = join(directory, readlinkSync(join(directory, '..data')));
    swapIn(directory, revision({ a: '2' }));
    expect(readFileSync(join(first, 'a'), 'utf8')).toBe('1');
    swapIn(directory, revision({ a: '3' }));
    expect(existsSync(first)).toBe(false);
    expect(revisions()).toHaveLength(2);
  });

  it('removes names that the revision no longer has, and leaves no dangling link', () => {
    swapIn(directory, revision({ a: '1', b: '1' }));
    swapIn(directory, revision({ a: '1' }));
    expect(visible()).toEqual(['a']);
  });

  it('keeps one copy of equal files', () => {
    swapIn(directory, revision({ 'ca.crt': 'A', 'trust-bundle.pem': 'A', other: 'B' }));
    const inode = (name: string): number => statSync(join(directory, name)).ino;
    expect(inode('ca.crt')).toBe(inode('trust-bundle.pem'));
    expect(inode('other')).not.toBe(inode('ca.crt'));
  });

  it('touches nothing that is not its own', () => {
    mkdirSync(join(directory, 'sockets'));
    writeFileSync(join(directory, 'plain'), 'x');
    symlinkSync('sockets', join(directory, 'link'));
    swapIn(directory, revision({ a: '1' }));
    swapIn(directory, revision({ b: '1' }));
    settle(directory);
    expect(visible().sort()).toEqual(['b', 'link', 'plain', 'sockets']);
  });

  it('shows a name again that somebody took away', () => {
    swapIn(directory, revision({ a: '1' }));
    unlinkSync(join(directory, 'a'));
    expect(swapIn(directory, revision({ a: '1' }))).toBe(false);
    expect(visible()).toEqual(['a']);
  });
});

describe('settle', () => {
  it('removes what an interrupted swap left behind', () => {
    swapIn(directory, revision({ a: '1' }));
    mkdirSync(join(directory, '..rev-half'), 0o700);
    writeFileSync(join(directory, '..rev-half', 'tls.key'), 'K');
    symlinkSync('..rev-half', join(directory, '..data_next'));
    settle(directory);
    expect(readdirSync(directory).sort()).toEqual(['..data', readlinkSync(join(directory, '..data')), 'a']);
  });

  it('completes a swap whose names were not adjusted yet', () => {
    swapIn(directory, revision({ a: '1' }));
    symlinkSync('..data/gone', join(directory, 'gone'));
    unlinkSync(join(directory, 'a'));
    settle(directory);
    expect(visible()).toEqual(['a']);
    expect(lstatSync(join(directory, 'a')).isSymbolicLink()).toBe(true);
  });

  it('leaves an empty directory empty', () => {
    settle(directory);
    expect(readdirSync(directory)).toEqual([]);
    expect(readRevision(directory).size).toBe(0);
  });
});
