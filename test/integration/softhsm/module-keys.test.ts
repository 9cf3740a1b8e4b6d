// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { createPublicKey, hash, verify, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';
import { objectFiles } from './softhsm.ts';

jest.setTimeout(120_000);

const KEY = { identityUid: '0b3c7e9e-6a55-4b1c-9f1d-2f0f6c9d1a11', generation: 1 };
const MESSAGE = Buffer.from('what the module wants signed');

async function running(): Promise<Setting> {
  const setting = new Setting();
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  expect(await setting.notary.client.configure(setting.configuration())).toMatchObject({ ready: true });
  return setting;
}

function namesOf(module: string) {
  const { publicKey: _theirs, ...names } = freshLeaf(module).request;
  return names;
}

describe('module keys on SoftHSM2', () => {
  it('sign messages and digests that openssl-compatible verifiers accept, outlive the process, and are destroyed', async () => {
    const setting = await running();
    const { client } = setting.notary;
    const names = namesOf('press');
    const issued = await client.issueForKey({ ...names, key: KEY });
    expect(issued.keyUri).toMatch(/^pkcs11:.*object=keystead-module:edge\.example:node-1:0b3c7e9e/);
    const leaf = new X509Certificate(issued.chain[0]!);
    const publicKey = createPublicKey({ key: issued.publicKey, format: 'der', type: 'spki' });
    expect(leaf.publicKey.equals(publicKey)).toBe(true);

    await setting.notary.stop('SIGKILL');
    setting.notary.start();
    const { requester } = names;
    for (const input of [{ message: MESSAGE }, { digest: hash('sha256', MESSAGE, 'buffer') }]) {
      const { signature, keyUri } = await client.signWithKey({ key: KEY, requester, ...input });
      expect(verify('sha256', MESSAGE, publicKey, signature)).toBe(true);
      expect(keyUri).toBe(issued.keyUri);
    }

    const objects = objectFiles(setting.hsm).length;
    await client.destroyKey(KEY);
    expect(objectFiles(setting.hsm)).toHaveLength(objects - 2);
    await expect(client.signWithKey({ key: KEY, requester, message: MESSAGE })).rejects.toMatchObject({
      code: 'NotFound',
    });
  });

  it('are listed beyond what a token gives at once', async () => {
    const setting = await running();
    const { client } = setting.notary;
    const keys = Array.from({ length: 70 }, (_, index) => ({ ...KEY, generation: index + 1 }));
    for (const key of keys) await client.issueForKey({ ...namesOf('press'), key });
    expect([...(await client.moduleKeys())].sort((a, b) => a.generation - b.generation)).toEqual(keys);
  });

  it('certifies what openssl asks for, for the key that openssl made, and for no second module', async () => {
    const setting = await running();
    const { client } = setting.notary;
    for (const [name, newkey] of [
      ['p256', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
      ['p384', ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
      ['rsa', ['rsa:3072']],
    ] as const) {
      const file = (ending: string): string => join(setting.folder, `${name}.${ending}`);
      const subject = ['-subj', '/CN=press', '-addext', `subjectAltName=DNS:${name}.factory.svc`];
      execFileSync(
        'openssl',
        [
          'req',
          '-new',
          '-newkey',
          ...newkey,
          '-nodes',
          '-keyout',
          file('key'),
          '-outform',
          'DER',
          '-out',
          file('csr'),
          ...subject,
        ],
        { stdio: 'pipe' },
      );
      const request = { ...namesOf(name), certificationRequest: readFileSync(file('csr')) };
      const { chain } = await client.issueFromRequest(request);
      writeFileSync(file('crt'), new X509Certificate(chain[0]!).toString());
      writeFileSync(file('ca'), (await client.status()).issuer!.anchors);
      const verified = execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', file('ca'), file('crt')]);
      expect(verified.toString()).toContain('OK');
      expect(new X509Certificate(chain[0]!).subjectAltName).toBe(`URI:${request.spiffeId}, DNS:${name}.factory.svc`);
      const other = { ...request, spiffeId: `${request.spiffeId}-other` };
      await expect(client.issueFromRequest(other)).rejects.toMatchObject({ code: 'ProfileViolation' });
    }
  });
});
