// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it, jest } from '@jest/globals';
import { crlPemOf, pemOf } from '../../../src/issue/pem.ts';
import { freshLeaf, type Leaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

jest.setTimeout(60_000);

interface Running {
  readonly setting: Setting;
  readonly anchors: string;
}

async function running(algorithm: 'EC-P256' | 'EC-P384' | 'RSA-2048' = 'EC-P256'): Promise<Running> {
  const setting = new Setting();
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  const status = await setting.notary.client.configure(setting.configuration({ algorithm }));
  if (!status.issuer) throw new Error(status.message);
  return { setting, anchors: status.issuer.anchors };
}

interface Module extends Leaf {
  readonly chain: string;
  readonly serial: string;
}

/** A module in a pod of its own. */
async function module({ setting }: Running, podUid: string): Promise<Module> {
  const leaf = freshLeaf(podUid);
  const requester = { ...leaf.request.requester, podUid };
  const { chain, serial } = await setting.notary.client.issue({ ...leaf.request, requester });
  return { ...leaf, chain: pemOf(chain[0]!), serial };
}

async function revoke({ setting }: Running, podUid: string): Promise<void> {
  const request = { podUid, reason: 'privilegeWithdrawn', cause: 'CodeNotFromImage' } as const;
  expect(await setting.notary.client.revoke(request)).toEqual({ certificates: 1, tokens: 0 });
}

async function listOf({ setting }: Running): Promise<string> {
  const { crls } = await setting.notary.client.revocationLists();
  return crls.map(({ der }) => crlPemOf(der)).join('');
}

describe.each(['EC-P256', 'EC-P384', 'RSA-2048'] as const)('the list of a CA of %s in SoftHSM2', (algorithm) => {
  it('makes openssl refuse what was revoked and nothing else', async () => {
    const notary = await running(algorithm);
    const [press, robot] = [await module(notary, 'press'), await module(notary, 'robot')];
    await revoke(notary, 'robot');
    const path = (name: string): string => join(notary.setting.folder, name);
    writeFileSync(path('anchors.pem'), notary.anchors);
    writeFileSync(path('crl.pem'), await listOf(notary));
    writeFileSync(path('press.pem'), press.chain);
    writeFileSync(path('robot.pem'), robot.chain);
    const options = [
      'verify',
      '-x509_strict',
      '-crl_check',
      '-CAfile',
      path('anchors.pem'),
      '-CRLfile',
      path('crl.pem'),
    ];
    expect(execFileSync('openssl', [...options, path('press.pem')], { encoding: 'utf8' })).toContain('press.pem: OK');
    const refused = spawnSync('openssl', [...options, path('robot.pem')], { encoding: 'utf8' });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('certificate revoked');
    const text = execFileSync('openssl', ['crl', '-in', path('crl.pem'), '-noout', '-text'], { encoding: 'utf8' });
    // OpenSSL writes whole octets.
    expect(text).toMatch(new RegExp(`Serial Number: 0*${robot.serial.replace(/^0+/, '').toUpperCase()}\\s`));
    expect(text).toMatch(/CRL Reason Code:\s+Privilege Withdrawn/);
    expect(text).toMatch(/X509v3 CRL Number:\s+\d+/);
  });
});

describe('a module that checks the list', () => {
  it('turns a revoked peer away in the handshake and takes others', async () => {
    const notary = await running();
    const [press, robot] = [await module(notary, 'press'), await module(notary, 'robot')];
    await revoke(notary, 'robot');
    const crl = await listOf(notary);
    const served = async (peer: Module): Promise<TLSSocket> => {
      const server = createServer({ key: peer.privateKey, cert: peer.chain }, (socket) => socket.end());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      const options = { port, host: '127.0.0.1', ca: notary.anchors, crl, checkServerIdentity: () => undefined };
      const socket = connect(options, () => socket.end());
      socket.once('close', () => server.close());
      return socket;
    };
    const outcome = async (peer: Module): Promise<string> => {
      const socket = await served(peer);
      return new Promise((resolve) => {
        socket.once('secureConnect', () => resolve(`authorized ${socket.authorized}`));
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      });
    };
    expect(await outcome(press)).toBe('authorized true');
    expect(await outcome(robot)).toBe('CERT_REVOKED');
  });
});

describe('a pod that asks for certificates without end', () => {
  it('is refused before others are forgotten, and all that it got is revoked with it', async () => {
    const { setting } = await running();
    const { client } = setting.notary;
    const of = (podUid: string): Leaf['request'] => {
      const { request } = freshLeaf(podUid);
      return { ...request, requester: { ...request.requester, podUid } };
    };
    await client.issue(of('press'));
    const flood = of('robot');
    for (let asked = 0; asked < 1_024; asked += 64)
      await Promise.all(Array.from({ length: 64 }, () => client.issue(flood)));
    await expect(client.issue(flood)).rejects.toMatchObject({
      code: 'Overloaded',
      message: expect.stringMatching(/at most 1024 certificates of a pod .* the first ends at 20\d\d-.*x509\.duration/),
    });
    await client.issue(of('press'));
    const refusal = { reason: 'privilegeWithdrawn', cause: 'CodeNotFromImage' } as const;
    expect(await client.revoke({ podUid: 'robot', ...refusal })).toEqual({ certificates: 1_024, tokens: 0 });
    expect(await client.revoke({ podUid: 'press', ...refusal })).toEqual({ certificates: 2, tokens: 0 });
  });
});

describe('a notary that is killed right after it answered', () => {
  it('has not forgotten what was revoked, and revokes what it issued before', async () => {
    const notary = await running();
    const { setting } = notary;
    await module(notary, 'press');
    const robot = await module(notary, 'robot');
    await revoke(notary, 'robot');
    const before = (await setting.notary.client.status()).revocation;
    await setting.notary.stop('SIGKILL');
    setting.notary.start();
    expect((await setting.notary.client.status()).revocation).toEqual(before);
    await revoke(notary, 'press');
    const { crls } = await setting.notary.client.revocationLists();
    expect(crls.map(({ count }) => count)).toEqual([2]);
    const records = setting.auditRecords.filter(({ operation }) => operation === 'revoke');
    expect(records[0]).toMatchObject({
      result: 'Done',
      revoked: { podUid: 'robot', cause: 'CodeNotFromImage', serials: [robot.serial], jtis: [] },
    });
  });
});
