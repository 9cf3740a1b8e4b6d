// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { encodeUse } from '../../../src/audit/key-use.ts';
import { exportRecords, type ExportCount, type ExportFilter } from '../../../src/audit/export.ts';
import { logFiles } from '../../../src/audit/files.ts';
import { auditSource, contents } from '../../../src/audit/source.ts';
import { append, entry, filledLog, NOON, openLog, temporaryFolder } from './samples.ts';

function exported(folder: string, filter: ExportFilter): ExportCount & { lines: string[] } {
  const lines: string[] = [];
  const count = exportRecords(contents(auditSource([folder])), filter, (line) => lines.push(line));
  return { ...count, lines };
}

describe('export', () => {
  it('gives the lines as they are in the log', () => {
    const folder = filledLog(30, { maxBytes: 4_000, keep: 100 });
    const whole = logFiles(folder).map(({ path }) => readFileSync(path, 'utf8'));
    expect(`${exported(folder, {}).lines.join('\n')}\n`).toBe(whole.join(''));
  });

  it('gives what lies between two times', () => {
    const folder = filledLog(5);
    const { lines } = exported(folder, { since: NOON + 3_000, until: NOON + 5_000 });
    expect(lines.map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([3, 4]);
  });

  it('gives what is about an identity or a serial, with or without its namespace in the record', () => {
    const folder = temporaryFolder();
    const log = openLog(folder);
    append(log, 2);
    log.append(encodeUse(entry(7, { requester: { ...entry(7).requester, identity: 'lathe' } })));
    log.close();
    expect(exported(folder, { identity: 'factory/press' }).exported).toBe(2);
    expect(exported(folder, { identity: 'factory/lathe' }).exported).toBe(1);
    expect(exported(folder, { identity: 'other/lathe' }).exported).toBe(0);
    expect(exported(folder, { serial: entry(7).serial! }).exported).toBe(1);
  });

  it('gives what is about a token, its revocation among it', () => {
    const folder = temporaryFolder();
    const log = openLog(folder);
    append(log, 1);
    log.append(encodeUse({ operation: 'issueToken', result: 'Issued', jti: 'Token-1' }));
    const revoked = { cause: 'PodGone', serials: [], jtis: ['Token-0', 'Token-1'] };
    log.append(encodeUse({ operation: 'revoke', result: 'Done', revoked }));
    log.close();
    expect(exported(folder, { jti: 'Token-1' }).exported).toBe(2);
    expect(exported(folder, { jti: 'token-1' }).exported).toBe(0);
  });

  it('leaves out what is no record, and counts it', () => {
    const folder = filledLog(2);
    appendFileSync(logFiles(folder)[0]!.path, '{"seq":99}\nunfinished');
    expect(exported(folder, {})).toMatchObject({ exported: 4, unreadable: 2 });
  });
});
