// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HeldRecord } from '../../../src/runtime/held-record.ts';

let folder: string;
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'held-')), 'held-starts');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the record of held starts', () => {
  it('is there for the next agent, and began when the first one did', () => {
    new HeldRecord(folder, 'boot-1', 100.5).add('c1');
    const next = new HeldRecord(folder, 'boot-1', 200);
    expect([next.since, next.ids(), next.has('c1'), next.has('c2')]).toEqual([100.5, ['c1'], true, false]);
    next.delete('c1');
    next.delete('c1');
    expect([next.ids(), next.has('c1')]).toEqual([[], false]);
  });

  it('begins anew with each boot, and leaves nothing of the one before', () => {
    new HeldRecord(folder, 'boot-1', 100).add('c1');
    const next = new HeldRecord(folder, 'boot-2', 20);
    expect([next.since, next.ids()]).toEqual([20, []]);
    expect(existsSync(join(folder, 'boot-1'))).toBe(false);
  });

  it('goes on where its folder was taken away, and names no other files', () => {
    const record = new HeldRecord(folder, 'boot-1', 100);
    rmSync(folder, { recursive: true });
    record.add('c1');
    expect(record.has('c1')).toBe(true);
    expect(() => record.add('../c1')).toThrow('is no id of a container');
  });
});
