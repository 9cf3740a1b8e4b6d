// SPDX-License-Identifier: Apache-2.0
import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it, jest } from '@jest/globals';
import * as x509 from '@peculiar/x509';
import { pemOf } from '../../../src/issue/pem.ts';
import { freshLeaf } from './requests.ts';
import { Setting, TOKEN } from './setting.ts';

jest.setTimeout(60_000);

async function running(
  algorithm: 'EC-P256' | 'EC-P384' | 'RSA-2048' = 'EC-P256',
): Promise<{ setting: Setting; anchors: string }> {
  const setting = new Setting();
  setting.hsm.makeToken(TOKEN);
  setting.notary.start();
  const status = await setting.notary.client.configure(setting.configuration({ algorithm }));
  if (!status.issuer) throw new Error(status.message);
  return { setting, anchors: status.issuer.anchors };
}

function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
}

describe.each(['EC-P256', 'EC-P384', 'RSA-2048'] as const)(
  'a certificate under a CA of %s in SoftHSM2',
  (algorithm) => {
    it('is accepted by openssl in strict mode for both ends of a connection, and not under another CA', async () => {
      const { setting, anchors } = await running(algorithm);
      const other = await running(algorithm);
      const leaf = await setting.notary.client.issue(freshLeaf().request);
      const path = (name: string): string => join(setting.folder, name);
      writeFileSync(path('leaf.pem'), pemOf(leaf.chain[0]!));
      writeFileSync(path('anchors.pem'), anchors);
      writeFileSync(path('other.pem'), other.anchors);
      for (const purpose of ['sslserver', 'sslclient']) {
        const verified = openssl(
          'verify',
          '-x509_strict',
          '-purpose',
          purpose,
          '-CAfile',
          path('anchors.pem'),
          path('leaf.pem'),
        );
        expect(verified).toContain('leaf.pem: OK');
      }
      expect(() => openssl('verify', '-CAfile', path('other.pem'), path('leaf.pem'))).toThrow();
      const text = openssl('x509', '-in', path('leaf.pem'), '-noout', '-text');
      expect(text).toMatch(
        /Subject Alternative Name: critical\s+URI:spiffe:\/\/edge.example\/ns\/factory\/module\/press, DNS:press.factory.svc/,
      );
      expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
      expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    });

    it('builds a chain with @peculiar/x509', async () => {
      const { setting, anchors } = await running(algorithm);
      const leaf = await setting.notary.client.issue(freshLeaf().request);
      const chain = new x509.X509ChainBuilder({ certificates: [new x509.X509Certificate(anchors)] });
      expect(await chain.build(new x509.X509Certificate(leaf.chain[0]!))).toHaveLength(2);
    });
  },
);

describe('two modules with certificates of one notary', () => {
  it('greet each other over mutual TLS, and a stranger is turned away', async () => {
    const { setting, anchors } = await running();
    const stranger = await running();
    const [press, robot, foreign] = [freshLeaf('press'), freshLeaf('robot'), freshLeaf('robot')];
    const certificate = async (of: Setting, leaf: typeof press): Promise<string> =>
      pemOf((await of.notary.client.issue(leaf.request)).chain[0]!);
    const server = createServer({
      key: press.privateKey,
      cert: await certificate(setting, press),
      ca: anchors,
      requestCert: true,
      rejectUnauthorized: true,
    });
    server.on('secureConnection', (socket) => socket.end(socket.getPeerCertificate().subjectaltname ?? ''));
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const greet = async (key: string, cert: string): Promise<string> =>
      said(connect({ port, host: '127.0.0.1', servername: 'press.factory.svc', ca: anchors, key, cert }));
    try {
      const greeting = await greet(robot.privateKey, await certificate(setting, robot));
      expect(greeting).toContain('URI:spiffe://edge.example/ns/factory/module/robot');
      await expect(greet(foreign.privateKey, await certificate(stranger.setting, foreign))).rejects.toThrow();
    } finally {
      server.close();
    }
  });
});

/** All that the other side says; rejects where the connection fails. */
function said(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('end', () => (text === '' ? reject(new Error('hung up')) : resolve(text)));
    socket.on('error', reject);
  });
}
