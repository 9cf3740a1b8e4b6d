// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import { NotaryClient } from '../../../src/notary/client.ts';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { atEnd, Setting, TOKEN } from './setting.ts';
import { objectFiles, softhsmLibrary } from './softhsm.ts';

jest.setTimeout(120_000);

const CKF_WRITE_PROTECTED = 0x2;
const CKF_USER_PIN_FINAL_TRY = 0x20000;
const CKF_USER_PIN_LOCKED = 0x40000;
const CKR_DEVICE_ERROR = 0x30;
const CKR_DEVICE_MEMORY = 0x31;
const CKR_DEVICE_REMOVED = 0x32;

const isReady = (setting: Setting) => async (): Promise<boolean> => (await setting.notary.client.status()).ready;

describe('a wrong PIN', () => {
  it('is tried once across restarts, is told, and a corrected file is taken up without a restart', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.hsm.setPin('52901746');
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration({ interposed: true }));
    expect(status).toMatchObject({ ready: false, reason: 'PinRejected' });
    expect(status.message).toMatch(
      /CKR_PIN_INCORRECT .*CKF_USER_PIN_COUNT_LOW, a wrong PIN was given since the last login$/,
    );
    for (let restart = 0; restart < 3; restart++) {
      await setting.notary.stop('SIGKILL');
      setting.notary.start();
      expect(await setting.notary.client.status()).toMatchObject({
        ready: false,
        reason: 'PinRejected',
        message: expect.stringMatching(/is not tried again.*CKF_USER_PIN_COUNT_LOW/),
      });
    }
    expect(setting.interposer.logins).toBe(1);
    await expect(setting.notary.client.issue(freshLeaf().request)).rejects.toMatchObject({ code: 'PinRejected' });
    const readiness = await setting.notary.get('/readyz');
    expect(readiness.status).toBe(503);
    expect(readiness.body).toContain('PinRejected');
    expect((await setting.notary.get('/livez')).status).toBe(200);

    setting.hsm.setPin('1234');
    await eventually(isReady(setting), 'ready with the corrected PIN');
    expect(setting.interposer.logins).toBe(2);
    expect((await setting.notary.get('/readyz')).status).toBe(200);
    expect(setting.notary.output).not.toMatch(/52901746|"1234"/);
  });

  it.each([
    ['has one try left', CKF_USER_PIN_FINAL_TRY, 'CKF_USER_PIN_FINAL_TRY, the next wrong PIN locks it'],
    ['has locked', CKF_USER_PIN_LOCKED, 'CKF_USER_PIN_LOCKED, it has locked the PIN'],
  ])('that a token counts which then %s is told so, and no other is tried', async (_, flags, expected) => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.hsm.setPin('52901746');
    setting.interposer.set('flags-after-wrong-pin', flags);
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration({ interposed: true }));
    expect(status).toMatchObject({ ready: false, reason: 'PinRejected', message: expect.stringContaining(expected) });
    setting.hsm.setPin('9998');
    await eventually(async () => (await setting.notary.client.status()).reason === 'PinLocked', 'PinLocked');
    expect(setting.interposer.logins).toBe(1);
  });
});

describe('a token', () => {
  it('that is absent is named with those that are there, and taken up when it appears', async () => {
    const setting = new Setting();
    setting.hsm.makeToken('another');
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration());
    expect(status).toMatchObject({ ready: false, reason: 'TokenAbsent' });
    expect(status.message).toMatch(/label "edge token"; found "another" \(serial [0-9a-f]+, slot \d+\)/);
    setting.hsm.makeToken(TOKEN);
    await eventually(isReady(setting), 'ready with the token that appeared');
  });

  it('that goes away is TokenAbsent, and signs again when it is back, by the same process and CA', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client, pid } = setting.notary;
    const before = await client.configure(setting.configuration({ interposed: true }));
    setting.interposer.set('C_Sign', CKR_DEVICE_REMOVED);
    setting.interposer.set('absent', 1);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ code: 'TokenAbsent', retryable: true });
    expect(await client.status()).toMatchObject({ ready: false, reason: 'TokenAbsent' });
    setting.interposer.clear('C_Sign');
    setting.interposer.clear('absent');
    await eventually(isReady(setting), 'ready with the token that is back');
    expect((await client.status()).issuer).toEqual(before.issuer);
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    expect(setting.notary.pid).toBe(pid);
  });

  it('whose files are taken from under SoftHSM2 is an error, and signs again when they are back', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client } = setting.notary;
    await client.configure(setting.configuration());
    const [folder] = readdirSync(setting.hsm.tokens);
    const [place, away] = [join(setting.hsm.tokens, folder!), join(setting.folder, 'away')];
    renameSync(place, away);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ retryable: true });
    renameSync(away, place);
    await eventually(isReady(setting), 'ready with the files back');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('that is full is TokenFull, and taken up when there is room', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.interposer.set('C_GenerateKeyPair', CKR_DEVICE_MEMORY);
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration({ interposed: true }));
    expect(status).toMatchObject({ ready: false, reason: 'TokenFull' });
    setting.interposer.clear('C_GenerateKeyPair');
    await eventually(isReady(setting), 'ready with room');
  });

  it('on a disk without room is an error that may be tried again, and leaves no half key behind', async () => {
    const setting = new Setting();
    mkdirSync(setting.hsm.tokens, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', setting.hsm.tokens]);
    atEnd(() => execFileSync('umount', ['-l', setting.hsm.tokens]));
    setting.hsm.makeToken(TOKEN);
    const ballast = join(setting.hsm.tokens, 'ballast');
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'], { stdio: 'pipe' });
    } catch {
      // It ends when the disk is full.
    }
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration());
    expect(status.ready).toBe(false);
    expect(status.reason).toBe('TokenFailed');
    expect(status.message).toContain('C_GenerateKeyPair returned CKR_FUNCTION_FAILED (0x6)');
    execFileSync('rm', [ballast]);
    await eventually(isReady(setting), 'ready with room on the disk');
    // A pair for the CA, one for tokens, and the device's own.
    expect(objectFiles(setting.hsm)).toHaveLength(6);
    expect((await setting.notary.client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('with an extractable key under the label of the CA is not used', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    const script = join(import.meta.dirname, 'make-key.ts');
    execFileSync(process.execPath, [script, softhsmLibrary(), 'keystead-issuer:edge.example:node-1:1'], {
      env: { ...process.env, ...setting.hsm.environment },
    });
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration());
    expect(status).toMatchObject({ ready: false, reason: 'KeyUnfit' });
    expect(status.message).toContain('CKA_EXTRACTABLE is true');
  });
});

describe('a PKCS#11 library', () => {
  it.each([
    ['missing', '/usr/lib/nothing.so'],
    ['no PKCS#11 library', '/lib/x86_64-linux-gnu/libm.so.6'],
  ])('that is %s is named, and a corrected path is taken', async (_, library) => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration({ library }));
    expect(status).toMatchObject({ ready: false, reason: 'TokenLibraryUnusable' });
    expect(status.message).toContain(library);
    expect(setting.notary.ended).toBe(false);
    expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
  });

  it('that crashes takes the notary down; its successor answers what was in flight, under the same CA', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const before = await setting.notary.client.configure(setting.configuration({ interposed: true }));
    setting.interposer.set('crash', 1);
    const impatient = new NotaryClient({ path: setting.notary.socket, patienceMs: 50 });
    atEnd(() => impatient.close());
    const told = impatient.issue(freshLeaf().request);
    const asked = setting.notary.client.issue(freshLeaf().request);
    await expect(told).rejects.toMatchObject({ code: 'Unavailable', retryable: true });
    await eventually(() => setting.notary.ended, 'the crash');
    setting.interposer.clear('crash');
    setting.notary.start();
    expect((await asked).chain).toHaveLength(1);
    expect((await setting.notary.client.status()).issuer).toEqual(before.issuer);
  });

  it('that fails in the middle of an operation is an error that may be tried again, once', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client } = setting.notary;
    await client.configure(setting.configuration({ interposed: true }));
    setting.interposer.set('C_Sign', CKR_DEVICE_ERROR);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ code: 'TokenFailed', retryable: true });
    expect((await client.status()).message).toContain('C_Sign returned CKR_DEVICE_ERROR (0x30)');
    setting.interposer.clear('C_Sign');
    await eventually(isReady(setting), 'ready with the device that works again');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });
});

describe('a token that says', () => {
  it.each([
    ['that its PIN is locked', CKF_USER_PIN_LOCKED, 'has locked its user PIN'],
    [
      'that the next wrong PIN locks it',
      CKF_USER_PIN_FINAL_TRY,
      'locks with the next wrong PIN (CKF_USER_PIN_FINAL_TRY), so none is tried',
    ],
  ])('%s is not logged in to, and taken up when that is over', async (_, flag, expected) => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.interposer.set('flags', flag);
    setting.notary.start();
    const status = await setting.notary.client.configure(setting.configuration({ interposed: true }));
    expect(status).toMatchObject({ ready: false, reason: 'PinLocked' });
    expect(status.message).toContain(expected);
    expect(setting.interposer.logins).toBe(0);
    setting.interposer.clear('flags');
    await eventually(isReady(setting), 'ready with the PIN unlocked');
    expect(setting.interposer.logins).toBe(1);
  });

  it('that it is read-only serves the keys that it has, and names what it cannot make', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.interposer.set('flags', CKF_WRITE_PROTECTED);
    setting.notary.start();
    const { client } = setting.notary;
    const status = await client.configure(setting.configuration({ interposed: true }));
    expect(status).toMatchObject({ ready: false, reason: 'TokenFailed' });
    expect(status.message).toMatch(/C_GenerateKeyPair returned CKR_SESSION_READ_ONLY .*make the token writable/);
    setting.interposer.clear('flags');
    await eventually(isReady(setting), 'ready with a token that can be written');
    setting.interposer.set('flags', CKF_WRITE_PROTECTED);
    await setting.notary.stop();
    setting.notary.start();
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });
});

describe('several', () => {
  it('notaries of two nodes on one token leave each other alone', async () => {
    const first = new Setting();
    first.hsm.makeToken(TOKEN);
    const other = new Setting({ environment: first.hsm.environment });
    const configurations = [first.configuration(), { ...first.configuration(), node: 'node-2' }];
    const notaries = [first.notary, other.notary];
    for (const [index, notary] of notaries.entries()) {
      notary.start();
      expect(await notary.client.configure(configurations[index]!)).toMatchObject({ ready: true });
    }
    for (const { client } of notaries) expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    expect(objectFiles(first.hsm)).toHaveLength(12);
  });

  it("notaries of one node name with different state folders do not take or replace each other's keys", async () => {
    const first = new Setting();
    first.hsm.makeToken(TOKEN);
    first.notary.start();
    const { client } = first.notary;
    const before = await client.configure(first.configuration());
    const other = new Setting({ environment: first.hsm.environment });
    other.notary.start();
    const refused = await other.notary.client.configure(first.configuration());
    expect(refused).toMatchObject({ ready: false, reason: 'KeyUnfit' });
    const [, mark = ''] = /found one of a notary with another state folder \(mark ([0-9a-f]{12})\)/.exec(
      refused.message!,
    )!;
    expect(objectFiles(first.hsm)).toHaveLength(6);
    await first.notary.stop();
    first.notary.start();
    expect((await client.status()).issuer).toEqual(before.issuer);
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    await first.notary.stop();
    writeFileSync(join(other.folder, 'state', 'key-owner.json'), JSON.stringify({ marks: [mark] }));
    await eventually(isReady(other), 'ready with the keys of a folder that was given up');
    expect((await other.notary.client.status()).issuer!.keyUri).toBe(before.issuer!.keyUri);
  });

  it('tokens with the same label: another one in the place of the first is told, and its CA stands beside the former', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client } = setting.notary;
    const before = await client.configure(setting.configuration());
    const [folder = ''] = readdirSync(setting.hsm.tokens);
    renameSync(join(setting.hsm.tokens, folder), join(setting.folder, 'away'));
    setting.hsm.makeToken(TOKEN);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ retryable: true });
    await eventually(isReady(setting), 'ready with the other token');
    const after = await client.status();
    expect(after.token?.serial).not.toBe(before.token?.serial);
    expect(after.issuer?.anchors).toContain(before.issuer?.anchors);
    const serials = { formerTokenSerial: before.token?.serial, tokenSerial: after.token?.serial };
    // Lines of the token's thread come with the next answers, or a moment later.
    const told = () => setting.notary.logLines.some((line) => isDeepStrictEqual({ ...line, ...serials }, line));
    await eventually(told, 'a log line that names both tokens');
  });
});
