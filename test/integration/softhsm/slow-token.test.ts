// SPDX-License-Identifier: Apache-2.0
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';
import { softhsmLibrary } from './softhsm.ts';

jest.setTimeout(120_000);

const SLOW_MS = 200;

async function running(environment: NodeJS.ProcessEnv = {}): Promise<Setting> {
  const setting = new Setting({ environment });
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  const configured = setting.notary.client.configure(setting.configuration({ interposed: true }));
  expect(await configured).toMatchObject({ ready: true });
  return setting;
}

describe('a token that is slow', () => {
  it('blocks neither health nor status nor metrics, and answers all in the end', async () => {
    const setting = await running();
    const { client } = setting.notary;
    setting.interposer.set('slow', SLOW_MS);
    let answered = 0;
    const asked = Array.from({ length: 10 }, () => client.issue(freshLeaf().request).then(() => answered++));
    await asked[0];
    for (let look = 0; look < 20; look++) {
      expect((await setting.notary.get('/livez')).status).toBe(200);
      expect((await setting.notary.get('/readyz')).status).toBe(200);
      expect((await client.status()).ready).toBe(true);
      expect(await client.metrics()).toContain('keystead_notary_ready{reason=""} 1');
    }
    // All of that came while the token was busy with the others.
    expect(answered).toBeLessThan(10);
    await Promise.all(asked);
    expect(answered).toBe(10);
  });
});

describe("a token of modules' keys that is slow or hangs", () => {
  const KEY = { identityUid: '0c1d', generation: 1 };
  const { requester } = freshLeaf().request;
  const signing = { key: KEY, requester, message: Buffer.from('of the module') };

  /** The node's keys behind one library, those of modules behind another, which brings faults. */
  async function apart(environment: NodeJS.ProcessEnv = {}): Promise<Setting> {
    const setting = new Setting({ environment });
    const { hsm, notary } = setting;
    for (const label of [TOKEN, 'modules']) hsm.makeToken(label);
    notary.start();
    const library = join(setting.folder, 'softhsm-of-the-node.so');
    copyFileSync(softhsmLibrary(), library);
    const own = setting.configuration({ library });
    const { library: faulty } = setting.interposer;
    const modules = { pkcs11: { library: faulty, tokenLabel: 'modules', pinFile: hsm.pinFile } };
    const status = await notary.client.configure({ ...own, rootOfTrust: { ...own.rootOfTrust, modules } });
    expect(status).toMatchObject({ ready: true, token: { label: TOKEN }, moduleToken: { label: 'modules' } });
    await notary.client.obtainKey(signing);
    return setting;
  }

  it('holds up no certificate of the node, nor the other way round', async () => {
    const setting = await apart();
    const { client } = setting.notary;
    setting.interposer.set('slow', SLOW_MS);
    let signed = 0;
    const asked = Array.from({ length: 10 }, () => client.signWithKey(signing).then(() => signed++));
    await asked[0];
    for (let count = 0; count < 20; count++) await client.issue(freshLeaf().request);
    expect(signed).toBeLessThan(10);
    await Promise.all(asked);
    expect(setting.auditRecords.filter(({ result }) => result === 'Issued')).toHaveLength(20);
  });

  it('shows in status as that of modules, while certificates are issued', async () => {
    const setting = await apart({ KEYSTEAD_NOTARY_TOKEN_TIMEOUT: '20' });
    const { client } = setting.notary;
    setting.interposer.set('hang', 1);
    await expect(client.signWithKey(signing)).rejects.toMatchObject({ code: 'TokenFailed', retryable: true });
    expect(await client.status()).toMatchObject({
      ready: false,
      reason: 'TokenFailed',
      message: expect.stringMatching(/^rootOfTrust\.modules: a call into .*interposer\.so has not returned/),
    });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    setting.interposer.clear('hang');
    await eventually(async () => (await client.status()).ready, 'ready again');
    expect((await client.signWithKey(signing)).keyUri).toContain('token=modules');
  });
});

describe('a token library that does not return', () => {
  it('shows in health, callers are told when to ask again, and it is used again where it comes back', async () => {
    const setting = await running({ KEYSTEAD_NOTARY_TOKEN_TIMEOUT: '600' });
    const { client } = setting.notary;
    setting.interposer.set('hang', 1);
    const hung = { code: 'TokenFailed', retryable: true, retryAfterMs: 1000 };
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject(hung);
    expect(await client.status()).toMatchObject({ ready: false, reason: 'TokenFailed' });
    expect((await setting.notary.get('/readyz')).body).toContain('has not returned for');
    expect((await setting.notary.get('/livez')).status).toBe(200);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject(hung);
    setting.interposer.clear('hang');
    await eventually(async () => (await client.status()).ready, 'ready again');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
    const issued = setting.auditRecords.filter(({ result }) => result === 'Issued');
    expect(issued).toHaveLength(2);
  });

  it('for too long ends the notary with a reason, and its successor issues', async () => {
    const setting = await running({ KEYSTEAD_NOTARY_TOKEN_TIMEOUT: '8' });
    const { client } = setting.notary;
    setting.interposer.set('hang', 1);
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject({ code: 'TokenFailed' });
    await eventually(() => setting.notary.ended, 'the end of the notary');
    expect(setting.notary.logLines).toContainEqual(
      expect.objectContaining({
        msg: 'ends itself, to be started anew',
        err: expect.stringContaining('interposer.so'),
      }),
    );
    setting.interposer.clear('hang');
    setting.notary.start();
    await eventually(async () => (await client.status()).ready, 'ready anew');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('lets nobody have the state while it may still write there: the notary ends instead of handing over', async () => {
    const setting = await running();
    const { client } = setting.notary;
    setting.interposer.set('hang', 1);
    const asked = client.issue(freshLeaf().request).catch(() => undefined);
    await eventually(async () => /issue.*/.test(await client.metrics()), 'metrics');
    await client.handOver();
    await eventually(() => setting.notary.ended, 'the end of the notary');
    const said = setting.notary.logLines.map(({ msg }) => msg);
    expect(said).toContain('ends itself, to be started anew');
    expect(said).not.toContain('handed over');
    client.close();
    await asked;
  });

  it('does not keep the notary from ending when it is told to', async () => {
    const setting = await running();
    setting.interposer.set('hang', 1);
    const asked = setting.notary.client.issue(freshLeaf().request).catch(() => undefined);
    await eventually(async () => /issue.*/.test(await setting.notary.client.metrics()), 'metrics');
    expect(await setting.notary.stop()).toBe(0);
    setting.notary.client.close();
    await asked;
  });
});
