// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import type { HubSignRequest } from '../../../src/notary/hub-port.ts';
import { freshRequest } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';
import { objectFiles } from './softhsm.ts';

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

  it('that were brought in are named after a restart and leave nothing on the token when they are destroyed', async () => {
    const setting = await running();
    const { notary, hsm } = setting;
    await notary.client.hubEncrypt({ ...TEXT, text: Buffer.from('makes the master secret') });
    const empty = objectFiles(hsm).length;
    const keyIds = ['primary', 'secondary', 'encryption'] as const;
    for (const generationId of ['gen-1', 'gen-2']) {
      const of = { ...module, generationId };
      for (const keyId of keyIds) await notary.client.importHubKey({ module: of, keyId, key: Buffer.alloc(32, 3) });
    }
    expect(objectFiles(hsm)).toHaveLength(empty + 4);
    await notary.stop('SIGKILL');
    notary.start();
    const held = await notary.client.hubKeys();
    expect(held).toHaveLength(6);
    expect(held).toContainEqual({ module: { ...module, generationId: 'gen-2' }, keyId: 'secondary' });
    for (const key of held) if (key.module.generationId === 'gen-2') await notary.client.destroyHubKey(key);
    expect(objectFiles(hsm)).toHaveLength(empty + 2);
    const other = { ...SIGN, module: { ...module, generationId: 'gen-2' }, source: 'Imported' } as const;
    await expect(notary.client.hubSign(other)).rejects.toMatchObject({ code: 'NotFound' });
    expect(await notary.client.hubSign({ ...SIGN, source: 'Imported' })).toHaveLength(32);
    for (const key of await notary.client.hubKeys()) await notary.client.destroyHubKey(key);
    expect(objectFiles(hsm)).toHaveLength(empty);
    expect(await notary.client.hubKeys()).toEqual([]);
    const state = readFileSync(join(setting.folder, 'state', 'edge-encryption-keys.json'), 'utf8');
    expect(JSON.parse(state)).toEqual({});
    const destroyed = setting.auditRecords.filter(({ operation }) => operation === 'destroyHubKey');
    expect(destroyed.map(({ result }) => result)).toEqual(Array(6).fill('Done'));
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
