// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { verifyJwtSvid } from '../../../src/issue/jwt-verification.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

const { spiffeId, requester } = freshLeaf().request;
const request = { spiffeId, requester, audiences: ['historian'], lifetimeSeconds: 600 };

function filesBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

jest.setTimeout(120_000);

describe('JWT-SVIDs of the notary on SoftHSM2', () => {
  it('are signed by a key of their own that cannot leave the token, and survive a restart', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client } = setting.notary;
    const { tokens, issuer } = await client.configure(setting.configuration());
    expect(tokens?.keys).toMatchObject([{ state: 'Current', sensitive: true, extractable: false }]);
    expect(tokens?.keys[0]?.keyUri).not.toBe(issuer?.keyUri);
    const issued = await client.issueToken(request);
    const keys = tokens!.keys.map(({ keyId, jwk }) => ({ ...jwk, kid: keyId }));
    const { claims } = verifyJwtSvid(issued.token, { audience: 'historian', keys: () => keys, now: Date.now() });
    expect(claims).toMatchObject({ sub: spiffeId, aud: ['historian'], jti: issued.jti });
    await setting.notary.stop();
    setting.notary.start();
    expect((await client.status()).tokens).toEqual(tokens);
    expect((await client.issueToken(request)).keyId).toBe(issued.keyId);
    const written = filesBelow(setting.folder);
    expect(written).toContain(issued.jti);
    expect(written).not.toContain(issued.token.split('.')[2]);
  });

  it('are refused outside of the profile', async () => {
    const setting = new Setting();
    setting.hsm.makeToken(TOKEN);
    setting.notary.start();
    const { client } = setting.notary;
    await client.configure(setting.configuration());
    for (const change of [
      { audiences: [] },
      { lifetimeSeconds: 3601 },
      { spiffeId: 'spiffe://other.example/ns/a/b' },
    ]) {
      await expect(client.issueToken({ ...request, ...change })).rejects.toMatchObject({ code: 'ProfileViolation' });
    }
    expect((await client.issueToken(request)).token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  });
});
