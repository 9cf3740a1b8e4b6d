// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Layer } from '../../src/build/image/layer.ts';
import { Scene, until } from '../e2e/harness.ts';
import { busyboxImage } from '../samples/busybox.ts';
import { pushClient, sourceLayer } from './client-image.ts';
import { pushGoClient } from './go-client.ts';
import { JAVA, javaLayer } from './java-client.ts';
import { isInstalled, programLayer, pythonLayer } from './packaged-client.ts';

/** Programs that read files and know of no API: each in a module that has a volume and nothing else. */
const scene = new Scene('files');
const SOURCES = join(import.meta.dirname, 'file-readers');
const SERVER = `server.${scene.namespace}.svc.cluster.local`;
const FILES = '/var/run/keystead';
/** Java is large: where it is not installed, its part is left out. */
const hasJava = isInstalled('jlink');
if (!hasJava) console.warn('keytool is left out: jlink is not installed');

beforeAll(async () => {
  await scene.open();
  const { layers: shell } = await busyboxImage('files');
  const programs = [await programLayer('/usr/bin/openssl'), await programLayer('/usr/bin/curl')];
  const scripts = ['server.py', 'client.py', 'tools.sh', 'keytool.sh'].map((name) => join(SOURCES, name));
  const sources = await sourceLayer(...scripts, ...strangerFiles());
  const push = async (name: string, ...layers: readonly Layer[]): Promise<string> => {
    const env = [`PATH=${JAVA.bin}:/usr/bin:/bin`, 'PYTHONDONTWRITEBYTECODE=1'];
    const [image = ''] = await pushClient(
      { name: `files-${name}`, registry: scene.lab.registry },
      [...layers, sources],
      { entrypoint: ['/bin/sh'], env },
    );
    return image;
  };
  const python = await push('python', await pythonLayer());
  const [go = ''] = await pushGoClient(join(import.meta.dirname, 'go-files'), ['module'], scene.lab.registry);
  await scene.apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: scene.namespace, name: 'server' },
      spec: { selector: { 'keystead.dev/module': 'server' }, ports: [{ port: 8443 }] },
    },
    ...module('server', python, ['/usr/bin/python3', '/app/server.py'], { x509: { dnsNames: [SERVER] } }),
    ...module('python', python, ['/usr/bin/python3', '/app/client.py']),
    ...module('tools', await push('tools', ...shell, ...programs), ['/bin/sh', '/app/tools.sh']),
    ...module('go', go, ['/client']),
    ...(hasJava ? module('java', await push('java', ...shell, await javaLayer()), ['/bin/sh', '/app/keytool.sh']) : []),
  );
}, 600_000);
afterAll(() => scene.leave(), 180_000);

function module(name: string, image: string, command: readonly string[], identity: object = {}): object[] {
  const container = { image, command, env: [{ name: 'SERVER', value: SERVER }] };
  return scene.module(name, { container, spec: { remeasureInterval: '30s' }, identity });
}

/** Key and certificate of somebody whom no module trusts; left behind for as long as the test runs. */
function strangerFiles(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-stranger-'));
  const paths = ['stranger.key', 'stranger.crt'].map((name) => join(folder, name));
  const [key = '', certificate = ''] = paths;
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', ...kind, '-subj', '/CN=stranger', '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  });
  process.once('exit', () => rmSync(folder, { recursive: true }));
  return paths;
}

/** Waits until the log of a module says something, and gives the match. */
function says(name: string, pattern: RegExp): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log of ${name}`, 180, async () => {
    const log = await scene.run('logs', `deploy/${name}`, '--tail=-1').catch(String);
    return pattern.exec(log) ?? log.slice(-1500);
  });
}

const hello = (name: string): string => `hello spiffe://[^/]+/ns/${scene.namespace}/module/${name}`;

describe('openssl', () => {
  it('verifies the chain against anchors and revocation lists, and against no others', async () => {
    await says('tools', new RegExp(`^names ok .*URI:spiffe://[^/]+/ns/${scene.namespace}/module/tools$`, 'm'));
    await says('tools', /^verify ok \S+tls\.crt: OK$/m);
    await says('tools', /^verify-other failed .*unable to get (local )?issuer certificate/m);
    await says('tools', /^key ok Key is valid$/m);
  }, 240_000);

  it('speaks mutual TLS with the files, and is refused with others', async () => {
    await says('tools', new RegExp(`^s_client ok [^\\n]*${hello('tools')}$`, 'm'));
    await says('tools', /^s_client-other-anchors failed .*verify error/m);
    await says('tools', /^s_client-other-certificate .*alert unknown ca/m);
  }, 240_000);
});

describe('curl', () => {
  it('calls the server with key and chain in two files and in one, and with the revocation lists', async () => {
    for (const name of ['curl', 'curl-one-file', 'curl-crl']) {
      await says('tools', new RegExp(`^${name} ok ${hello('tools')}$`, 'm'));
    }
  }, 240_000);

  it('is refused without a certificate, and refuses the server by other anchors', async () => {
    await says('tools', /^curl-no-certificate failed curl: .*certificate required/m);
    await says('tools', /^curl-other-anchors failed curl: \(60\)/m);
  }, 240_000);
});

describe.each(['python', 'go'])("the TLS of %s's standard library", (name) => {
  it('speaks mutual TLS with the files', async () => {
    await says(name, new RegExp(`^files ${hello(name)}`, 'm'));
    await says(name, new RegExp(`^one-file ${hello(name)}`, 'm'));
  }, 240_000);

  it('is refused without a certificate, and refuses the server by other anchors', async () => {
    await says(name, /^no-certificate failed .*certificate required/im);
    await says(name, /^other-anchors failed .*(certificate verify failed|signed by unknown authority)/m);
  }, 240_000);
});

describe('the files', () => {
  it('have revocation lists that the anchors have signed', async () => {
    const [, lists, signed] = await says('go', /^crl lists=(\d+) signed=(\d+)$/m);
    expect(Number(lists)).toBeGreaterThan(0);
    expect(signed).toBe(lists);
  }, 240_000);

  it('let a server refuse what they do not vouch for', async () => {
    await says('python', /^other-certificate failed .*unknown ca/im);
    await says('server', /^refused .*certificate verify failed/m);
  }, 240_000);
});

(hasJava ? describe : describe.skip)('keytool', () => {
  it('reads chain and revocation lists', async () => {
    await says('java', new RegExp(`^chain .*URIName: spiffe://[^/]+/ns/${scene.namespace}/module/java`, 'm'));
    await says('java', /^crl .*X\.?509 ?CRL/im);
  }, 240_000);

  it('takes the chain into a key store that trusts the anchors, and not into another', async () => {
    await says('java', new RegExp(`^by ${FILES}/ca\\.crt .*Certificate was added to keystore`, 'm'));
    await says('java', /^by \/app\/stranger\.crt .*Certificate was not added to keystore/m);
  }, 240_000);
});
