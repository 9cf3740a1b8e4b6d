// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { describe, expect, it, jest } from '@jest/globals';
import type { HubSignRequest } from '../../../src/notary/hub-port.ts';
import { freshRequest } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

jest.setTimeout(60_000);

const module = { namespace: 'plant', moduleId: 'modA', generationId: 'gen-1' };
const { requester } = freshRequest();
const SIGN: HubSignRequest = {
  module,
  keyId: 'primary',
  source: 'Derived',
  data: Buffer.from('hub%2Fdevices%2Fd\n1795322675'),
  requester,
};
const TEXT = { module, initializationVector: Buffer.from('iv'), requester };

async function running(): Promise<Setting> {
  const setting = new Setting();
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  await setting.notary.client.configure(setting.configuration());
  return setting;
}

describe('keys of modules for a hub, on SoftHSM2', () => {
  it('outlive the notary: signatures stay the same, ciphertexts can be read', async () => {
    const { notary } = await running();
    const digest = await notary.client.hubSign(SIGN);
    const ciphertext = await notary.client.hubEncrypt({ ...TEXT, text: Buffer.from('secret') });
    await notary.stop('SIGKILL');
    notary.start();
    expect(await notary.client.hubSign(SIGN)).toEqual(digest);
    expect((await notary.client.hubDecrypt({ ...TEXT, text: ciphertext })).toString()).toBe('secret');
    const other = { ...TEXT, module: { ...module, moduleId: 'modB' }, text: ciphertext };
    await expect(notary.client.hubDecrypt(other)).rejects.toMatchObject({ code: 'InvalidRequest' });
  });

  it('lie on the token sensitive and not extractable', async () => {
    const setting = await running();
    await setting.notary.client.hubSign(SIGN);
    await setting.notary.client.importHubKey({ module, keyId: 'secondary', key: Buffer.alloc(32, 3) });
    const listed = setting.hsm.pkcs11Tool(TOKEN, '--list-objects', '--type', 'secrkey');
    expect(listed.match(/label: +keystead-(master|hub):\S+/g)?.sort()).toEqual([
      'label:      keystead-hub:edge.example:node-1:plant:secondary:gen-1:modA',
      'label:      keystead-master:edge.example:node-1:1',
    ]);
    expect(listed.match(/Access: .*/g)).toEqual([
      expect.stringMatching(/sensitive/),
      expect.stringMatching(/sensitive/),
    ]);
    expect(listed).not.toMatch(/Access:.*(?<!never )extractable/);
  });

  it('that a hub made sign as the hub expects', async () => {
    const { notary } = await running();
    const key = Buffer.from('a key that the hub has made, 32B.');
    const digest = createHmac('sha256', key).update(SIGN.data).digest();
    await notary.client.importHubKey({ module, keyId: 'primary', key });
    expect(await notary.client.hubSign({ ...SIGN, source: 'Imported' })).toEqual(digest);
    await notary.stop('SIGKILL');
    notary.start();
    expect(await notary.client.hubSign({ ...SIGN, source: 'Imported' })).toEqual(digest);
  });

  it('and the key of an IoT Edge device outlive it too: what that encrypted can be read', async () => {
    const { notary } = await running();
    // Made by Python's `cryptography`, as in the unit test.
    const text = Buffer.from(
      '02199a107ba8078be1b88e76444ee39c0412b654758a550342a36b393d7eb082e73404b25191442072d0',
      'hex',
    );
    const old = { ...TEXT, initializationVector: Buffer.from('old iv, 12 b'), text };
    await expect(notary.client.hubDecrypt(old)).rejects.toMatchObject({ code: 'NotFound' });
    const key = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
    await notary.client.importHubKey({ module, keyId: 'encryption', key });
    await notary.stop('SIGKILL');
    notary.start();
    expect((await notary.client.hubDecrypt(old)).toString()).toBe('from before the migration');
  });
});
