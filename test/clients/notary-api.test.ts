// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packLayer, type Layer } from '../../src/build/image/layer.ts';
import { Notary } from '../../src/gen/keystead/notary/v1alpha1/notary_pb.js';
import { GrpcClient } from '../../src/grpc/client.ts';
import { hasStatus } from '../../src/grpc/status.ts';
import { Scene, until } from '../e2e/harness.ts';
import { identityFolder } from '../e2e/pod-processes.ts';
import { pushClient, sourceLayer } from './client-image.ts';
import { pushGoClient } from './go-client.ts';
import { pipLayer, pythonLayer } from './packaged-client.ts';

/** Modules in Go whose private keys are in the node's token: crypto/tls signs each handshake through the Notary API. */
const scene = new Scene('notary');
let image: string;
let foreign: string;

const PORT = 8443;
const NOTARY = ['-n', 'keystead-system', 'logs', 'daemonset/keystead-node', '-c', 'notary'];
const VOLUME_FILES = ['ca.crt', 'crl.pem', 'spiffe.sock', 'tls.crt', 'trust-bundle.pem'];
const id = (name: string): string => `spiffe://[^/]+/ns/${scene.namespace}/module/${name}`;
const GRANTS = { sign: true, encrypt: true, issue: true };
const HARDWARE = { delivery: ['Volume', 'Socket'], key: { residency: 'Hardware' }, notary: GRANTS };
/** As the controller sets it for the modules that it deploys; pods of a selector bring their own. */
const SOCKET = { env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' }] };

beforeAll(async () => {
  await scene.open();
  [image = '', foreign = ''] = await pushGoClient(
    join(import.meta.dirname, 'go-notary'),
    ['module', 'foreign'],
    scene.lab.registry,
  );
  const module = (name: string, identity: object, env: Record<string, string>): object[] =>
    scene.module(name, {
      container: {
        image,
        command: ['/client'],
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
      },
      identity,
    });
  const digest = image.slice(image.indexOf('@') + 1);
  await scene.apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: scene.namespace, name: 'server' },
      spec: { selector: { 'keystead.dev/module': 'server' }, ports: [{ port: PORT }] },
    },
    ...module('server', HARDWARE, { SERVE: `:${PORT}` }),
    ...module(
      'client',
      { ...HARDWARE, notary: { sign: true } },
      { CALL: `server.${scene.namespace}.svc.cluster.local:${PORT}`, EXPECT: 'spiffe://' },
    ),
    scene.object('EdgeModule', 'watched', { selector: { matchLabels: { app: 'watched' } }, images: [{ digest }] }),
    scene.object('ModuleIdentity', 'watched', { moduleRef: { name: 'watched' }, ...HARDWARE }),
    scene.pod('watched', { app: 'watched' }, { image, command: ['/client'], container: SOCKET }),
  );
}, 300_000);
afterAll(() => scene.leave(), 180_000);

/** Waits until the log of a pod says something, and gives the match. */
function says(pod: string, pattern: RegExp, seconds = 90): Promise<RegExpExecArray> {
  return until(`${pattern.source} in the log of ${pod}`, seconds, async () => {
    const log = await scene.run('logs', pod).catch(String);
    return pattern.exec(log) ?? log.slice(-800);
  });
}

const keysIn = (log: string): Set<string> =>
  new Set([...log.matchAll(/^identity .* key=(\S+) signs=true err=<nil>$/gm)].map(([, key = '']) => key));

/** The Python example in a pod of the module `name`, with its image and with one that nobody allows. */
async function startPython(name: string): Promise<void> {
  const folder = join(import.meta.dirname, 'python-notary');
  const sources = ['main.py', 'notary_key.py'].map((file) => join(folder, file));
  const layers = [await pythonLayer(), await pipLayer(folder), await sourceLayer(...sources), await protoLayer()];
  const command = ['/usr/bin/python3', '/app/main.py'];
  const env = ['PYTHONPATH=/app/packages', 'PYTHONDONTWRITEBYTECODE=1'];
  const target = { name: 'notary-python', registry: scene.lab.registry };
  const [own = '', other = ''] = await pushClient(target, layers, { entrypoint: command, env }, ['module', 'foreign']);
  const pod = (suffix: string, from: string): object =>
    scene.pod(
      `${name}${suffix}`,
      { app: name },
      { image: from, command, container: SOCKET, spec: { restartPolicy: 'Never' } },
    );
  await scene.apply(
    scene.object('EdgeModule', name, {
      selector: { matchLabels: { app: name } },
      images: [{ digest: own.slice(own.indexOf('@') + 1) }],
    }),
    scene.object('ModuleIdentity', name, { moduleRef: { name }, ...HARDWARE }),
    pod('', own),
    pod('-foreign', other),
  );
}

/** The one file that a client needs of Keystead. */
async function protoLayer(): Promise<Layer> {
  const path = 'keystead/notary/v1alpha1/notary.proto';
  const content = await readFile(join(import.meta.dirname, '../../src/gen/proto', path));
  return packLayer([{ kind: 'file', path: `app/${path}`, mode: 0o644, content }]);
}

describe('the example in Python', () => {
  it('signs, makes a request for a certificate, encrypts, and is refused what is not its own', async () => {
    await startPython('python');
    for (const line of [/^signed$/m, /^request True$/m, /^decrypted True$/m]) await says('python', line);
    await says('python', /^refused PERMISSION_DENIED IdentityNotHeld/m);
  }, 300_000);

  it('gets nothing with another image', async () => {
    await says('python-foreign', /PERMISSION_DENIED[^]*ImageDigestMismatch/);
    expect(await scene.run('logs', 'python-foreign')).not.toMatch(/^signed$/m);
  }, 120_000);
});

describe('a module whose key is in the token', () => {
  it('signs with it, and finds a certificate without a private key in its volume', async () => {
    await says('watched', new RegExp(`^identity name=watched id=${id('watched')} .* signs=true err=<nil>$`, 'm'));
    expect(await scene.files('watched')).toEqual(VOLUME_FILES);
    expect(await scene.read('watched', 'tls.crt')).not.toContain('PRIVATE KEY');
  }, 120_000);

  it('is shown with the URI of its key in the status', async () => {
    const { key } = await scene.holder('watched', 'Allowed', (holder) => holder.serial !== undefined);
    const { metadata } = (await scene.find('moduleidentity', 'watched'))!;
    expect(key).toEqual({
      residency: 'Hardware',
      uri: expect.stringMatching(new RegExp(String.raw`^pkcs11:.*object=keystead-module:.*${metadata.uid}`)),
      generation: 1,
    });
  }, 120_000);

  it('speaks mutual TLS with another such module, by crypto/tls', async () => {
    const answer = `answer="hello ${id('client')}\\\\n"`;
    await says('deploy/client', new RegExp(`^called peer=${id('server')} .* version=TLS 1.3 ${answer} err=<nil>`, 'm'));
  }, 120_000);

  it('encrypts, and has its own keys certified for its own names, where that is granted', async () => {
    const log = 'deploy/server';
    await says(log, /^decrypt same=true err=<nil>$/m);
    await says(log, /^decrypt-other err=.*code = InvalidArgument/m);
    await says(log, new RegExp(`^issue id=${id('server')} chain=1 err=<nil>$`, 'm'));
    await says(
      log,
      new RegExp(`^issue id=${id('server')}-other chain=0 err=.*code = PermissionDenied desc = .*names of this`, 'm'),
    );
    await says(log, /^other-identity err=.*code = PermissionDenied desc = IdentityNotHeld/m);
  }, 120_000);

  it('is told what to set where it is not granted', async () => {
    await says('deploy/client', /^encrypt err=.*code = PermissionDenied desc = NotGranted: .*spec.notary.encrypt/m);
    await says('deploy/client', /^issue .* err=.*code = PermissionDenied desc = NotGranted: .*spec.notary.issue/m);
  }, 120_000);

  it('gets another key by rotation, and TLS goes on with it', async () => {
    const before = keysIn(await scene.run('logs', 'deploy/server'));
    const spec = JSON.stringify({ spec: { key: { rotation: '1m' } } });
    await scene.run('patch', 'moduleidentity', 'server', '--type=merge', '-p', spec);
    const { serial } = await until('another key of the server', 120, async () => {
      const log = await scene.run('logs', 'deploy/server');
      const [, last = ''] = [...log.matchAll(/^identity .* serial=(\S+) /gm)].at(-1) ?? [];
      return keysIn(log).size > before.size ? { serial: last } : log.slice(-400);
    });
    await says('deploy/client', new RegExp(`^called .* peer-serial=${serial} .* err=<nil>$`, 'm'));
    expect(await scene.run('logs', 'deploy/client')).not.toMatch(/^call-error .*(tls|x509|certificate)/m);
  }, 180_000);

  it('is the only one that may use the key', async () => {
    await says('watched', /^identity /m);
    const found = await scene.find('pod', 'watched');
    const socket = join(await identityFolder(found!.metadata.uid), 'spiffe.sock');
    const client = new GrpcClient(socket, { headers: { 'workload.spiffe.io': 'true' } });
    const asked = client.unary(Notary.method.sign, { input: { case: 'message', value: Buffer.from('x') } });
    const error: unknown = await asked.catch((thrown: unknown) => thrown);
    client.close();
    expect(hasStatus(error, status.PERMISSION_DENIED)).toBe(true);
    expect(String(error)).toContain('ContainerUnknown');
    const pod = { image: foreign, command: ['/client'], container: SOCKET };
    await scene.apply(scene.pod('foreign', { app: 'watched' }, pod));
    await says('foreign', /^follow-error .*code = PermissionDenied desc = ImageDigestMismatch/m);
  }, 180_000);

  it('loses the key with the identity: it is destroyed on the token', async () => {
    await says('watched', /^identity /m);
    const { metadata } = (await scene.find('moduleidentity', 'watched'))!;
    await scene.run('delete', 'moduleidentity', 'watched');
    await says('watched', /^follow-error /m);
    await until('the destroyed key in the log of the notary', 60, async () => {
      const log = await scene.kubectl.run([...NOTARY, '--tail=200']);
      const destroyed = log.split('\n').some((line) => line.includes('destroyed') && line.includes(metadata.uid));
      return destroyed ? true : log.slice(-400);
    });
  }, 180_000);
});
