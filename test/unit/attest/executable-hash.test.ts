// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecutableHashes } from '../../../src/attest/executable-hash.ts';
import { fileStatus, type FileStatus } from '../../../src/os/file-status.ts';
import { TokenBucket } from '../../../src/os/token-bucket.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('ExecutableHashes', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'keystead-hash-'));
    path = join(folder, 'tool');
    writeFileSync(path, 'one');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('hashes what is in the file, also one of several chunks', async () => {
    const hashes = new ExecutableHashes(10_000_000);
    expect(await hashes.of(path, fileStatus(path))).toEqual({ sha256: sha256('one') });
    const long = 'x'.repeat(3_000_001);
    writeFileSync(path, long);
    expect(await hashes.of(path, fileStatus(path))).toEqual({ sha256: sha256(long) });
  });

  it('hashes anew what has changed, also where size and mtime are put back', async () => {
    const hashes = new ExecutableHashes(1000);
    utimesSync(path, 1000, 1000);
    expect(await hashes.of(path, fileStatus(path))).toEqual({ sha256: sha256('one') });
    writeFileSync(path, 'two');
    utimesSync(path, 1000, 1000);
    expect(await hashes.of(path, fileStatus(path))).toEqual({ sha256: sha256('two') });
  });

  it('says so where the file is not the one that was looked at', async () => {
    const before = fileStatus(path);
    writeFileSync(path, 'other');
    expect(await new ExecutableHashes(1000).of(path, before)).toEqual({
      sha256: '',
      problem: 'it changed while it was read',
    });
  });

  it('does not read what is too large', async () => {
    expect(await new ExecutableHashes(2).of(path, fileStatus(path))).toEqual({
      sha256: '',
      problem: 'it has 3 bytes, more than the limit of 2',
    });
    expect(await new ExecutableHashes(3).of(path, fileStatus(path))).toEqual({ sha256: sha256('one') });
  });

  it('reads no more bytes a second than it is given', async () => {
    writeFileSync(path, 'x'.repeat(2000));
    const startedAt = performance.now();
    const rate = new TokenBucket(10_000, 1000);
    expect(await new ExecutableHashes(10_000, rate).of(path, fileStatus(path))).toEqual({
      sha256: sha256('x'.repeat(2000)),
    });
    expect(performance.now() - startedAt).toBeGreaterThan(90);
  });

  it('remembers only what cannot change again within the same tick of the clock', async () => {
    // Remembered hashes show by a path that is not there: it is not opened.
    const hashes = new ExecutableHashes(1000);
    const fresh = fileStatus(path);
    await hashes.of(path, fresh);
    await expect(hashes.of(join(folder, 'none'), fresh)).rejects.toThrow('ENOENT');

    const old: FileStatus = { ...fileStatus('/bin/true') };
    const hash = await new ExecutableHashes(10_000_000).of('/bin/true', old);
    const settled = new ExecutableHashes(10_000_000);
    await settled.of('/bin/true', old, 'layer/1');
    expect(await settled.of(join(folder, 'none'), old, 'layer/1')).toEqual(hash);
    await expect(settled.of(join(folder, 'none'), old, 'layer/2')).rejects.toThrow('ENOENT');
  });

  it('answers many at once, reading each file once', async () => {
    const hashes = new ExecutableHashes(1000);
    const paths = Array.from({ length: 20 }, (_, index) => join(folder, `tool-${index}`));
    for (const name of paths) writeFileSync(name, name);
    const answers = await Promise.all([...paths, ...paths].map((name) => hashes.of(name, fileStatus(name))));
    expect(answers).toEqual([...paths, ...paths].map((name) => ({ sha256: sha256(name) })));
  });
});
