// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { logFiles } from '../../../src/audit/files.ts';
import { eventually } from '../softhsm/notary-process.ts';
import { freshLeaf } from '../softhsm/requests.ts';
import { atEnd, Setting, TOKEN } from '../softhsm/setting.ts';

jest.setTimeout(120_000);

const CLI = join(import.meta.dirname, '../../../src/bin/cli.ts');

async function running(
  prepare: (state: string) => void = () => undefined,
): Promise<{ setting: Setting; state: string }> {
  const setting = new Setting();
  const state = join(setting.folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  prepare(state);
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
  return { setting, state };
}

/** The program as a user runs it. */
function keystead(...args: readonly string[]): { exit: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  return { exit: status, out: stdout, err: stderr };
}

function flip(path: string, offset: number): void {
  const content = readFileSync(path);
  content[offset]! ^= 1;
  writeFileSync(path, content);
}

describe('the audit log of a notary', () => {
  it('holds each certificate before it is handed out, verifies, is exported, and shows a byte that was edited', async () => {
    const { setting, state } = await running();
    const { client } = setting.notary;
    const serials: string[] = [];
    for (let count = 0; count < 20; count++) {
      const { serial } = await client.issue(freshLeaf(count < 15 ? 'press' : 'lathe').request);
      expect(readFileSync(logFiles(state)[0]!.path, 'utf8')).toContain(serial);
      serials.push(serial);
    }
    const outside = { ...freshLeaf().request, spiffeId: 'spiffe://other.example/ns/a' };
    await expect(client.issue(outside)).rejects.toMatchObject({ code: 'ProfileViolation' });
    const { audit } = await client.status();
    expect(audit?.records).toBe(23);
    expect((await setting.notary.get('/metrics')).body).toContain('keystead_notary_audit_records 23');

    const verified = keystead('audit', 'verify', state, '--head', audit!.head);
    expect(verified).toMatchObject({ exit: 0, out: expect.stringContaining('intact: records 1 to 23') });
    const exported = keystead('audit', 'export', state, '--identity', 'factory/press').out.trim().split('\n');
    const records = exported.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.filter(({ result }) => result === 'Issued').map(({ serial }) => serial)).toEqual(
      serials.slice(0, 15),
    );
    expect(records.at(-1)).toMatchObject({ result: 'Refused', code: 'ProfileViolation', keyUri: expect.any(String) });
    expect(records[0]).toMatchObject({ who: freshLeaf().request.requester, spiffeId: freshLeaf().request.spiffeId });

    await setting.notary.stop();
    const { path } = logFiles(state)[0]!;
    flip(path, 3000);
    const edited = keystead('audit', 'verify', state, '--json');
    expect(edited.exit).toBe(2);
    const { intact, findings } = JSON.parse(edited.out) as { intact: boolean; findings: { line: number }[] };
    expect(intact).toBe(false);
    expect(findings).toEqual([expect.objectContaining({ severity: 'Tampering', kind: 'Edited', file: path })]);
    const line = readFileSync(path).subarray(0, 3000).toString('latin1').split('\n').length;
    expect(findings[0]!.line).toBe(line);
  });

  it('goes on after the process was killed while it issued', async () => {
    const { setting, state } = await running();
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 60 }, () => setting.notary.client.issue(freshLeaf().request));
      const outcomes = Promise.allSettled(asked);
      await Promise.race(asked);
      await setting.notary.stop('SIGKILL');
      const issued = (await outcomes).flatMap((outcome) =>
        outcome.status === 'fulfilled' ? [outcome.value.serial] : [],
      );
      const text = readFileSync(logFiles(state)[0]!.path, 'utf8');
      expect(issued.filter((serial) => !text.includes(serial))).toEqual([]);
      setting.notary.start();
      await setting.notary.client.issue(freshLeaf().request);
    }
    expect(keystead('audit', 'verify', state)).toMatchObject({ exit: 0, err: '' });
  });

  it('on a disk that is full: issuing stops with AuditUnavailable, readiness says so, and it recovers by itself', async () => {
    const { setting, state } = await running((folder) => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs', folder]);
      atEnd(() => execFileSync('umount', ['--lazy', folder]));
    });
    const { client } = setting.notary;
    await client.issue(freshLeaf().request);
    expect((await setting.notary.get('/readyz')).status).toBe(200);
    expect(() => writeFileSync(join(state, 'ballast'), Buffer.alloc(1024 * 1024))).toThrow('ENOSPC');

    const refused = await firstRefusal(() => client.issue(freshLeaf().request));
    expect(refused).toMatchObject({ code: 'AuditUnavailable', retryable: true });
    expect(refused.message).toContain('ENOSPC; free space or repair the disk');
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ code: 'AuditUnavailable' });
    expect(await client.status()).toMatchObject({
      ready: false,
      reason: 'AuditUnavailable',
      issuer: { extractable: false },
    });
    expect(await setting.notary.get('/readyz')).toMatchObject({
      status: 503,
      body: expect.stringContaining('failed root-of-trust: AuditUnavailable'),
    });

    rmSync(join(state, 'ballast'));
    await eventually(async () => (await client.status()).ready, 'ready after there was space');
    await client.issue(freshLeaf().request);
    expect(keystead('audit', 'verify', state)).toMatchObject({ exit: 0, err: '' });
    expect(keystead('audit', 'export', state).out).toContain('"event":"Resumed"');
  });
});

/** What fits into the last page of the file is still issued. */
async function firstRefusal(issue: () => Promise<unknown>): Promise<Error> {
  for (let count = 0; count < 50; count++) {
    try {
      await issue();
    } catch (error) {
      return error as Error;
    }
  }
  throw new Error('nothing was refused');
}
