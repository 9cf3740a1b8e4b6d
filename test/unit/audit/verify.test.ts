// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { logFiles } from '../../../src/audit/files.ts';
import { encodeRecord, ORIGIN } from '../../../src/audit/record.ts';
import { auditSource } from '../../../src/audit/source.ts';
import { verify, type Verification } from '../../../src/audit/verify.ts';
import { filledLog, kinds, verifyFolder } from './samples.ts';

const folder = (): string => filledLog(5);
const contentOf = (path: string): Buffer => readFileSync(logFiles(path)[0]!.path);
const judge = (content: Buffer, head?: string): Verification =>
  verify([{ path: 'f', content }], { whole: true, ...(head !== undefined && { head }) });

/** Lines with their newlines. */
function split(content: Buffer): Buffer[] {
  const texts = content.toString('latin1').split(/(?<=\n)/);
  return texts.map((text) => Buffer.from(text, 'latin1'));
}

describe('verify', () => {
  it('finds nothing in a log as it was written, and tells its head', () => {
    const found = verifyFolder(folder());
    expect(found).toMatchObject({ findings: [], records: 7, first: { seq: 1 }, last: { seq: 7 } });
  });

  it('notices every flipped bit of every byte', () => {
    const content = contentOf(folder());
    const unnoticed: string[] = [];
    for (let offset = 0; offset < content.length; offset++) {
      const changed = Buffer.from(content);
      changed[offset]! ^= 1 << (offset % 8);
      if (judge(changed).findings.length === 0) unnoticed.push(`${offset}`);
    }
    expect(unnoticed).toEqual([]);
  });

  it('notices every removed byte, and every cut but one between two lines', () => {
    const content = contentOf(folder());
    const ends = new Set(split(content).map((_, index, all) => Buffer.concat(all.slice(0, index + 1)).length));
    for (let offset = 0; offset < content.length; offset++) {
      const without = Buffer.concat([content.subarray(0, offset), content.subarray(offset + 1)]);
      expect(judge(without).findings).not.toEqual([]);
      if (offset > 0 && !ends.has(offset)) expect(judge(content.subarray(0, offset)).findings).not.toEqual([]);
    }
  });

  it('notices every cut by the head that was noted elsewhere', () => {
    const all = split(contentOf(folder()));
    const head = judge(Buffer.concat(all)).last!.hash;
    for (let kept = 0; kept < all.length; kept++) {
      expect(kinds(judge(Buffer.concat(all.slice(0, kept)), head))).toContain('Tampering Missing');
    }
    expect(judge(Buffer.concat(all), head).findings).toEqual([]);
  });

  it('accepts a head that was noted earlier, as the log has grown since', () => {
    const all = split(contentOf(folder()));
    const earlier = judge(Buffer.concat(all.slice(0, 4))).last!.hash;
    expect(judge(Buffer.concat(all), earlier).findings).toEqual([]);
  });

  it('notices each line that is removed, repeated, edited or moved, and says where', () => {
    const all = split(contentOf(folder()));
    for (let index = 0; index < all.length - 1; index++) {
      const removed = judge(Buffer.concat(all.toSpliced(index, 1)));
      expect(kinds(removed)).toContain('Tampering Missing');
      const repeated = judge(Buffer.concat(all.toSpliced(index, 0, all[index]!)));
      expect(repeated.findings[0]).toMatchObject({ kind: 'Misplaced', line: index + 2 });
      const swapped = judge(Buffer.concat(all.with(index, all[index + 1]!).with(index + 1, all[index]!)));
      expect(swapped.findings.length).toBeGreaterThan(0);
      const edited = Buffer.from(all[index]!.toString('utf8').replace(/"event":"(.)/, '"event":"x$1'));
      expect(judge(Buffer.concat(all.with(index, edited))).findings[0]).toMatchObject({
        severity: 'Tampering',
        kind: 'Edited',
        line: index + 1,
        offset: Buffer.concat(all.slice(0, index)).length,
      });
    }
  });

  it('notices a record that was written anew with a fitting hash, by the one behind it', () => {
    const all = split(contentOf(folder()));
    const before = judge(Buffer.concat(all.slice(0, 3))).last!;
    const forged = encodeRecord(before, { event: 'KeyUse', time: 0, fields: '{"who":"somebody"}' }).line;
    const found = judge(Buffer.concat(all.with(3, Buffer.from(forged))));
    expect(found.findings).toEqual([expect.objectContaining({ kind: 'Replaced', line: 5 })]);
  });

  it('notices a log that was written anew as a whole, by its head', () => {
    const head = verifyFolder(folder()).last!.hash;
    const forged = encodeRecord(ORIGIN, { event: 'FileOpened', time: 0, fields: '{"keptFrom":1}' }).line;
    expect(kinds(judge(Buffer.from(forged)))).toEqual([]);
    expect(kinds(judge(Buffer.from(forged), head))).toEqual(['Tampering Missing']);
  });

  it('calls an end without newline unfinished, not edited', () => {
    const content = contentOf(folder());
    expect(kinds(judge(content.subarray(0, -10)))).toEqual(['Warning Unfinished']);
  });
});

describe('verify of several files', () => {
  const rotated = (): string => filledLog(60, { maxBytes: 4_000, keep: 100 });

  it('finds nothing wrong where one follows the other', () => {
    const path = rotated();
    expect(logFiles(path).length).toBeGreaterThan(4);
    expect(verifyFolder(path).findings).toEqual([]);
  });

  it('notices each file that was removed', () => {
    const count = logFiles(rotated()).length;
    for (let index = 0; index < count; index++) {
      const path = rotated();
      const head = verifyFolder(path).last!.hash;
      rmSync(logFiles(path)[index]!.path);
      expect([index, ...kinds(verifyFolder(path, head))]).toEqual([index, 'Tampering Missing']);
    }
  });

  it('sorts files that are given one by one, and does not miss those that are not given', () => {
    const path = rotated();
    const [first, second, third] = logFiles(path).map((file) => file.path);
    const source = auditSource([third!, second!]);
    expect(source).toEqual({ paths: [second, third], whole: false });
    const read = source.paths.map((file) => ({ path: file, content: readFileSync(file) }));
    expect(verify(read, { whole: false }).findings).toEqual([]);
    const gap = [first!, third!].map((file) => ({ path: file, content: readFileSync(file) }));
    expect(verify(gap, { whole: false }).findings).toEqual([
      expect.objectContaining({ kind: 'Missing', file: third, line: 1 }),
    ]);
  });

  it('says what to do about a path that it cannot read', () => {
    const path = rotated();
    expect(() => auditSource([join(path, 'absent')])).toThrow('name a file or the state folder of the notary');
    const empty = join(path, 'x.txt');
    writeFileSync(empty, '');
    expect(auditSource([empty]).paths).toEqual([empty]);
  });
});
