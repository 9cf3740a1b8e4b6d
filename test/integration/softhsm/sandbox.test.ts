// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

jest.setTimeout(120_000);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Probed {
  readonly setting: Setting;
  readonly result: Readonly<Record<'connect' | 'listen' | 'unix' | 'execute', string>>;
}

/** A notary that has issued, and what code in its own process could do then. */
async function probed(sandbox: string | undefined): Promise<Probed> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-probe-'));
  folders.push(folder);
  const [start, found] = [join(folder, 'start'), join(folder, 'result')];
  const environment = {
    NODE_OPTIONS: `--import=${join(import.meta.dirname, 'sandbox-probe.ts')}`,
    PROBE_START: start,
    PROBE_RESULT: found,
    ...(sandbox !== undefined && { KEYSTEAD_NOTARY_SANDBOX: sandbox }),
  };
  const setting = new Setting({ environment });
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  await setting.notary.client.configure(setting.configuration());
  expect((await setting.notary.client.issue(freshLeaf().request)).chain).toHaveLength(1);
  writeFileSync(start, '');
  await eventually(() => existsSync(found) && readFileSync(found).length > 0, 'the probe');
  // Whatever was refused, the notary goes on.
  expect((await setting.notary.client.issue(freshLeaf().request)).chain).toHaveLength(1);
  return { setting, result: JSON.parse(readFileSync(found, 'utf8')) as Probed['result'] };
}

/** Of every thread, those of the token and of Node.js among them: a filter on one alone would be none. */
function filters(pid: number): Set<string | undefined> {
  const threads = readdirSync(`/proc/${pid}/task`);
  const statuses = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'));
  return new Set(statuses.map((status) => /^Seccomp:\t(\d)$/m.exec(status)?.[1]));
}

describe("the notary's own process", () => {
  it('opens no IP socket and starts no program, and issues all the same', async () => {
    const { setting, result } = await probed(undefined);
    expect(result).toEqual({ connect: 'EPERM', listen: 'EPERM', unix: 'done', execute: 'EPERM' });
    expect(filters(setting.notary.pid)).toEqual(new Set(['2']));
    expect(setting.notary.logLines).toContainEqual(expect.objectContaining({ mode: 'strict' }));
  });

  it('opens IP sockets, and starts no program, where its token library needs the network', async () => {
    const { result } = await probed('network');
    expect(result).toEqual({ connect: 'ECONNREFUSED', listen: 'done', unix: 'done', execute: 'EPERM' });
  });

  it('could do all of that without the sandbox, and its log says so', async () => {
    const { setting, result } = await probed('off');
    expect(result).toEqual({ connect: 'ECONNREFUSED', listen: 'done', unix: 'done', execute: 'done' });
    expect(filters(setting.notary.pid)).toEqual(filters(process.pid));
    expect(setting.notary.logLines).toContainEqual(expect.objectContaining({ gap: 'the sandbox is switched off' }));
  });

  it('does not start with a sandbox that nobody knows', async () => {
    const setting = new Setting({ environment: { KEYSTEAD_NOTARY_SANDBOX: 'lax' } });
    setting.notary.start();
    await eventually(() => setting.notary.ended, 'the end');
    expect(setting.notary.output).toContain('KEYSTEAD_NOTARY_SANDBOX: expected one of strict, network, off, found lax');
  });
});
