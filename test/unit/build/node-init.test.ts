// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, it } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, '../../../src/build/image/node-init.ts');
const LIBRARY = '/usr/lib/softhsm/libsofthsm2.so';
const folder = mkdtempSync(join(tmpdir(), 'keystead-node-init-'));
const config = join(folder, 'softhsm2.conf');
const tokens = join(folder, 'tokens');
writeFileSync(config, `directories.tokendir = ${tokens}\n`);
afterAll(() => rmSync(folder, { recursive: true }));

/** A process of its own, as in the chart: a PKCS#11 library is initialized once a process. */
function nodeInit(...args: string[]) {
  return spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    env: { ...process.env, SOFTHSM2_CONF: config },
  });
}

describe('node-init state-dir', () => {
  it('makes folders private to their owner', () => {
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const [one, two] = [join(folder, 'one'), join(folder, 'deep/two')];
    expect(nodeInit('state-dir', String(uid), String(gid), one, two).stderr).toBe('');
    for (const path of [one, two]) expect(statSync(path)).toMatchObject({ uid, gid, mode: 0o40700 });
  });

  it('says how it is used', () => {
    const { status, stderr } = nodeInit('state-dir');
    expect({ status, usage: stderr.startsWith('usage: node-init') }).toEqual({ status: 2, usage: true });
  });
});

const describeSoftHsm = existsSync(LIBRARY) ? describe : describe.skip;

describeSoftHsm('node-init software-token', () => {
  const pin = join(folder, 'pin/pin');
  const make = () => nodeInit('software-token', LIBRARY, tokens, 'keystead', pin);
  const slots = () =>
    execFileSync('softhsm2-util', ['--show-slots'], {
      encoding: 'utf8',
      env: { ...process.env, SOFTHSM2_CONF: config },
    });

  it('makes a random PIN and one token, once, and says that it is software', () => {
    const first = make();
    expect(first.stdout).toMatch(/^software token keystead: made.*tests and demonstrations only/);
    expect(readFileSync(pin, 'utf8')).toMatch(/^[0-9a-f]{32}$/);
    expect(statSync(pin).mode & 0o777).toBe(0o400);
    expect(make().stdout).toMatch(/^software token keystead: present/);
    expect(slots().match(/Label: +keystead +$/gm)).toHaveLength(1);
  });

  it('says that a library cannot be loaded', () => {
    const { status, stderr } = nodeInit('software-token', '/no/such/library.so', tokens, 'keystead', pin);
    expect(status).not.toBe(0);
    expect(stderr).toContain('/no/such/library.so');
  });
});
