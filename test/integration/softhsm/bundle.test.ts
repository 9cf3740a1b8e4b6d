// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { bundlePrograms, PROGRAMS } from '../../../src/build/bundle.ts';
import { eventually } from './notary-process.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

jest.setTimeout(120_000);

/** What the image holds is not the sources but what the bundler has made of them and of the packages. */
const folder = mkdtempSync(join(tmpdir(), 'keystead-notary-bundle-'));
const program = [join(folder, 'notary.mjs')];

beforeAll(() => bundlePrograms(folder, { notary: PROGRAMS.notary }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function started(): Setting {
  const setting = new Setting({ program });
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  return setting;
}

describe('the bundled notary', () => {
  it('knows what a token says: a wrong PIN is tried once, and the right one then opens it', async () => {
    const setting = started();
    const { client } = setting.notary;
    setting.hsm.setPin('9999');
    const configuration = setting.configuration({ interposed: true });
    expect(await client.configure(configuration)).toMatchObject({ ready: false, reason: 'PinRejected' });
    await setting.notary.stop();
    setting.notary.start();
    expect(await client.status()).toMatchObject({ ready: false, reason: 'PinRejected' });
    expect(setting.interposer.logins).toBe(1);
    setting.hsm.setPin('1234');
    await setting.notary.stop();
    setting.notary.start();
    expect(await client.status()).toMatchObject({ ready: true });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('goes on under another configuration of the same token, to which it is logged in', async () => {
    const setting = started();
    const { client } = setting.notary;
    const { pinFile } = setting.hsm;
    copyFileSync(pinFile, `${pinFile}-moved`);
    const configuration = setting.configuration();
    expect(await client.configure(configuration)).toMatchObject({ ready: true });
    const { pkcs11 } = configuration.rootOfTrust as { pkcs11: object };
    const moved = { ...configuration, rootOfTrust: { pkcs11: { ...pkcs11, pinFile: `${pinFile}-moved` } } };
    expect(await client.configure(moved)).toMatchObject({ ready: true });
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });

  it('opens a session anew that the token has lost', async () => {
    const setting = started();
    const { client } = setting.notary;
    expect(await client.configure(setting.configuration({ interposed: true }))).toMatchObject({ ready: true });
    const SESSION_HANDLE_INVALID = 0xb3;
    setting.interposer.set('C_Sign', SESSION_HANDLE_INVALID);
    const refused = {
      code: 'TokenFailed',
      message: expect.stringContaining('C_Sign returned CKR_SESSION_HANDLE_INVALID'),
    };
    await expect(client.issue(freshLeaf().request)).rejects.toMatchObject(refused);
    setting.interposer.clear('C_Sign');
    await eventually(async () => (await client.status()).ready, 'ready again');
    expect((await client.issue(freshLeaf().request)).chain).toHaveLength(1);
  });
});
