// SPDX-License-Identifier: Apache-2.0
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { encodeUse } from '../../../src/audit/key-use.ts';
import { logFiles } from '../../../src/audit/files.ts';
import { append, entry, filledLog, kinds, lines, openLog, temporaryFolder, verifyFolder } from './samples.ts';

const newest = (folder: string): string => logFiles(folder).at(-1)!.path;

describe('the audit log', () => {
  it('says who, what and with which result, and when it was started', () => {
    const folder = temporaryFolder();
    const log = openLog(folder);
    log.append(encodeUse(entry(1)));
    const { serial: _1, notBefore: _2, notAfter: _3, ...refused } = entry(2);
    log.append(encodeUse({ ...refused, result: 'ProfileViolation', reason: 'expected the trust domain' }));
    log.close();
    expect(lines(folder)).toEqual([
      expect.objectContaining({ seq: 1, event: 'FileOpened', keptFrom: 1, previous: '0'.repeat(64) }),
      expect.objectContaining({ seq: 2, event: 'Started', version: '1.2.3' }),
      expect.objectContaining({
        seq: 3,
        event: 'KeyUse',
        time: '2026-11-22T12:00:03.000Z',
        who: entry(1).requester,
        operation: 'issue',
        keyUri: 'pkcs11:token=edge;object=ca-1',
        spiffeId: 'spiffe://edge.example/ns/factory/module/press',
        serial: entry(1).serial,
        notBefore: '2026-11-22T12:00:00.000Z',
        notAfter: '2026-11-22T12:10:00.000Z',
        result: 'Issued',
      }),
      expect.objectContaining({ result: 'Refused', code: 'ProfileViolation', message: 'expected the trust domain' }),
    ]);
    expect(statSync(newest(folder)).mode & 0o777).toBe(0o600);
  });

  it('writes nothing that an entry should not hold', () => {
    const folder = temporaryFolder();
    const log = openLog(folder);
    const more = { ...entry(1), privateKey: 'secret', requester: { ...entry(1).requester, pin: 'secret' } };
    log.append(encodeUse(more));
    log.close();
    expect(readFileSync(newest(folder), 'utf8')).not.toContain('secret');
  });

  it('has in the file what commit has returned from, and counts it', () => {
    const folder = temporaryFolder();
    const log = openLog(folder);
    const before = log.state();
    log.append(encodeUse(entry(1)));
    expect(log.state()).toEqual(before);
    log.commit();
    const { records, head } = log.state();
    expect(records).toBe(3);
    expect(lines(folder).at(-1)).toMatchObject({ seq: 3, hash: head });
  });

  it('goes on where it was after a restart', () => {
    const folder = filledLog(3);
    const log = openLog(folder);
    append(log, 2);
    log.close();
    expect(logFiles(folder)).toHaveLength(1);
    expect(lines(folder).map(({ event }) => event)).toEqual([
      'FileOpened',
      'Started',
      'KeyUse',
      'KeyUse',
      'KeyUse',
      'Started',
      'KeyUse',
      'KeyUse',
    ]);
    expect(verifyFolder(folder).findings).toEqual([]);
  });

  it('keeps so many files of such a size', () => {
    const folder = filledLog(100, { maxBytes: 4_000, keep: 3 });
    const files = logFiles(folder);
    expect(files).toHaveLength(3);
    for (const { path } of files) expect(statSync(path).size).toBeLessThan(5_000);
    expect(files[0]!.first).toBeGreaterThan(1);
    expect(verifyFolder(folder).findings).toEqual([]);
  });
});

describe('after a crash', () => {
  const whole = filledLogContent();
  /** Every third byte, and each byte near the end of a line. */
  const cuts = Array.from({ length: whole.length + 1 }, (_, size) => size).filter(
    (size) => size % 3 === 0 || whole.subarray(Math.max(0, size - 3), size + 3).includes(0x0a),
  );

  function filledLogContent(): Buffer {
    return readFileSync(newest(filledLog(3)));
  }

  it('at any byte: the cut line is marked, the chain goes on, and verify tells of it as interrupted', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit-000000000001.jsonl');
    for (const size of cuts) {
      writeFileSync(path, whole.subarray(0, size));
      const log = openLog(folder);
      append(log, 1);
      log.close();
      const found = verifyFolder(folder);
      const clean = size === 0 || whole[size - 1] === 0x0a || whole[size] === 0x0a;
      expect([size, ...kinds(found)]).toEqual(clean ? [size] : [size, 'Notice Interrupted']);
    }
  });

  it('in the middle of the repair: the next one declares both', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit-000000000001.jsonl');
    writeFileSync(path, whole.subarray(0, -20));
    openLog(folder).state();
    const repaired = readFileSync(path);
    for (let size = whole.length - 19; size < repaired.length; size += 7) {
      writeFileSync(path, repaired.subarray(0, size));
      openLog(folder).state();
      const found = verifyFolder(folder);
      expect(new Set(kinds(found))).toEqual(new Set(['Notice Interrupted']));
    }
  });

  it('right after a new file was made: goes on in it', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'audit-000000000001.jsonl'), whole);
    writeFileSync(join(folder, 'audit-000000000006.jsonl'), '');
    openLog(folder).state();
    expect(verifyFolder(folder)).toMatchObject({ findings: [], records: 7 });
  });

  it('with blocks that the disk never got: interrupted; with a last line that was edited: damaged', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit-000000000001.jsonl');
    writeFileSync(path, Buffer.concat([whole, Buffer.alloc(64)]));
    openLog(folder).state();
    expect(kinds(verifyFolder(folder))).toEqual(['Notice Interrupted']);
    writeFileSync(path, Buffer.concat([whole.subarray(0, -5), Buffer.from('x'), whole.subarray(-4)]));
    openLog(folder).state();
    expect(kinds(verifyFolder(folder))).toEqual(['Tampering Damaged']);
  });

  it('an explanation that does not fit the bytes explains nothing', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'audit-000000000001.jsonl');
    writeFileSync(path, whole.subarray(0, -20));
    openLog(folder).state();
    const repaired = readFileSync(path);
    const at = whole.length - 40;
    repaired[at]! ^= 1;
    writeFileSync(path, repaired);
    expect(kinds(verifyFolder(folder))).toEqual(['Tampering Edited']);
  });
});

describe('where the log cannot be written', () => {
  it('nothing is recorded or committed, the state says why, and it recovers by itself and tells of it', async () => {
    const folder = join(temporaryFolder(), 'state');
    const log = openLog(folder);
    const unavailable = expect.objectContaining({ code: 'AuditUnavailable', retryable: true });
    expect(log.state().failure).toEqual(unavailable);
    expect(() => log.append(encodeUse(entry(1)))).toThrow(unavailable);
    mkdirSync(folder);
    await sleep(600);
    expect(log.state().failure).toBeUndefined();
    log.append(encodeUse(entry(2)));
    log.commit();
    expect(lines(folder)[1]).toMatchObject({ event: 'Started', refused: 1 });
  });

  it('and the newest file is gone or changed under it: commit throws once, then the log says so', async () => {
    for (const harm of [
      rmSync,
      (path: string) => truncateSync(path, 100),
      (path: string) => appendFileSync(path, 'x'),
    ]) {
      const folder = temporaryFolder();
      const log = openLog(folder);
      append(log, 3);
      const copy = join(folder, 'copy');
      copyFileSync(newest(folder), copy);
      harm(newest(folder));
      log.append(encodeUse(entry(9)));
      expect(() => log.commit()).toThrow('somebody else changed or removed its newest file');
      await sleep(600);
      log.append(encodeUse(entry(10)));
      log.commit();
      const text = readFileSync(newest(folder), 'utf8');
      expect(text).toContain('"event":"Damaged"');
      expect(text).toContain('"event":"Resumed"');
      expect(kinds(verifyFolder(folder))).toContain('Tampering Damaged');
      expect([text.includes(entry(9).serial!), text.includes(entry(10).serial!)]).toEqual([false, true]);
    }
  });
});
