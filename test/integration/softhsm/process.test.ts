// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';
import { objectFiles } from './softhsm.ts';

jest.setTimeout(120_000);

const NOBODY = 65_534;

async function running(options: ConstructorParameters<typeof Setting>[0] = {}): Promise<Setting> {
  const setting = new Setting(options);
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
  return setting;
}

describe('the notary process', () => {
  it('killed in the middle of signing: the next process answers what was in flight, under the same CA', async () => {
    const setting = await running();
    const { client } = setting.notary;
    const before = await client.status();
    const asked = Array.from({ length: 120 }, () => client.issue(freshLeaf().request));
    const outcomes = Promise.allSettled(asked);
    await Promise.race(asked);
    await setting.notary.stop('SIGKILL');
    setting.notary.start();
    for (const outcome of await outcomes) expect(outcome.status).toBe('fulfilled');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    expect((await client.status()).issuer).toEqual(before.issuer);
  });

  it('killed in the middle of its first start makes no second CA key', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    const asked: Promise<unknown>[] = [];
    for (let attempt = 0; attempt < 4; attempt++) {
      setting.notary.start();
      asked.push(setting.notary.client.configure(setting.configuration()).catch(() => undefined));
      await eventually(() => setting.notary.output.includes('listening'), 'listening');
      await new Promise((resolve) => setTimeout(resolve, randomInt(60)));
      await setting.notary.stop('SIGKILL');
      setting.notary.output = '';
    }
    setting.notary.start();
    await Promise.all(asked);
    expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
    // A pair for the CA, and one for tokens.
    // Two halves each: the CA's key, the one for tokens, the device's own.
    expect(objectFiles(setting.hsm)).toHaveLength(6);
  });

  it('ends at SIGTERM with code 0, having answered, and leaves no temporary files', async () => {
    const setting = await running();
    const issued = setting.notary.client.issue(freshLeaf().request);
    await issued;
    expect(await setting.notary.stop()).toBe(0);
    const names = readdirSync(join(setting.folder, 'state'));
    expect(names).toContain('authority.json');
    expect(names.filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('records each certificate with whom it is for, and logs only what was refused', async () => {
    const setting = await running();
    const { request } = freshLeaf();
    const { serial } = await setting.notary.client.issue(request);
    const refused = { ...request, lifetimeSeconds: 2 ** 30 };
    await expect(setting.notary.client.issue(refused)).rejects.toMatchObject({ code: 'ProfileViolation' });
    const use = { operation: 'issue', spiffeId: request.spiffeId };
    const issued = { ...use, event: 'KeyUse', who: request.requester, result: 'Issued' };
    expect(setting.auditRecords.find((record) => record['serial'] === serial)).toMatchObject(issued);
    await setting.notary.stop();
    const lines = setting.notary.logLines.filter((line) => line['operation'] === 'issue');
    expect(lines).toEqual([
      expect.objectContaining({ ...use, requester: request.requester, result: 'ProfileViolation' }),
    ]);
  });

  it('serves its metrics over the health socket', async () => {
    const setting = await running();
    await setting.notary.client.issue(freshLeaf().request);
    const { status, body } = await setting.notary.get('/metrics');
    expect(status).toBe(200);
    expect(body).toContain('keystead_notary_requests_total{operation="issue",result="Ok"} 1');
  });

  it('keeps its memory and files to itself', async () => {
    const setting = new Setting({ uid: NOBODY });
    setting.hsm.makeToken(TOKEN);
    const [token] = readdirSync(setting.hsm.tokens);
    const folder = join(setting.hsm.tokens, token!);
    for (const path of [setting.hsm.tokens, folder, ...readdirSync(folder).map((name) => join(folder, name))]) {
      chownSync(path, NOBODY, NOBODY);
    }
    setting.notary.start();
    expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
    const proc = `/proc/${setting.notary.pid}`;
    // The kernel gives the files in /proc of a process that may not be dumped to root.
    expect(statSync(`${proc}/environ`).uid).toBe(0);
    expect(readFileSync(`${proc}/status`, 'utf8')).toMatch(/NoNewPrivs:\t1/);
    expect(readFileSync(`${proc}/limits`, 'utf8')).toMatch(/Max core file size +0 +0/);
    for (const name of readdirSync(join(setting.folder, 'state'))) {
      expect(statSync(join(setting.folder, 'state', name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(setting.notary.socket).mode & 0o777).toBe(0o600);
  });

  it('says what is wrong with its settings and ends', async () => {
    const setting = new Setting({ agentUid: -1 });
    setting.notary.start();
    await eventually(() => setting.notary.ended, 'the end');
    expect(setting.notary.output).toContain('KEYSTEAD_AGENT_UID: expected a user id, found -1');
  });
});

describe('a caller', () => {
  it('of another user is turned away with PermissionDenied even where the socket is open to all', async () => {
    const setting = await running();
    chmodSync(setting.notary.socket, 0o666);
    chmodSync(join(setting.folder, 'run'), 0o755);
    const heard = await listenAs(NOBODY, setting.notary.socket);
    expect(heard).toContain('PermissionDenied');
    expect(heard).toContain('expected a caller with uid 0, found 65534');
    expect(await listenAs(0, setting.notary.socket)).toBe('');
    expect(setting.notary.logLines).toContainEqual(expect.objectContaining({ msg: 'caller refused' }));
  });

  it('that is root is turned away where another user is the agent', async () => {
    const setting = new Setting({ agentUid: NOBODY });
    setting.notary.start();
    await expect(setting.notary.client.status()).rejects.toMatchObject({ code: 'PermissionDenied' });
  });

  it('that sends garbage does not bring the notary down', async () => {
    const setting = await running();
    const frames = Array.from({ length: 300 }, () => randomBytes(randomInt(1, 400)));
    for (const bytes of frames) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      await sent(setting.notary.socket, randomInt(2) === 0 ? bytes : Buffer.concat([length, bytes]));
    }
    expect(setting.notary.ended).toBe(false);
    expect((await setting.notary.client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });
});

/** What a process of this user hears when it connects and says nothing, for a second or until it is hung up on. */
function listenAs(uid: number, path: string): Promise<string> {
  const script = `
    const socket = require('net').connect(${JSON.stringify(path)});
    socket.on('data', (chunk) => process.stdout.write(chunk.subarray(4)));
    socket.on('error', (error) => process.stdout.write(error.message));
    socket.on('close', () => process.exit());
    setTimeout(() => process.exit(), 1000);`;
  return new Promise((resolve) => {
    let heard = '';
    const child = spawn(process.execPath, ['-e', script], {
      uid,
      gid: uid,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    child.once('close', () => resolve(heard));
  });
}

/** Sends bytes on a connection of their own and hangs up. */
function sent(path: string, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}
