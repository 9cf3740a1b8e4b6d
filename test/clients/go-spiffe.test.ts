// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { status } from '@grpc/grpc-js';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SpiffeWorkloadAPI } from '../../src/gen/spiffe/workload_pb.js';
import { GrpcClient } from '../../src/grpc/client.ts';
import { hasStatus } from '../../src/grpc/status.ts';
import { killNow, pidsOf } from '../chaos/processes.ts';
import { Scene, until } from '../e2e/harness.ts';
import { identityFolder } from '../e2e/pod-processes.ts';
import { pushGoClient } from './go-client.ts';

/**
 * go-spiffe, the strictest of the SPIFFE libraries, as it is: a program that knows nothing of Keystead runs as a module
 * and takes all that it has from the Workload API.
 */
const scene = new Scene('go-spiffe');
let image: string;
let foreign: string;

const PORT = 8443;
const COMMAND = ['/client'];
/** As the controller sets it for the modules that it deploys; pods of a selector bring their own. */
const SOCKET = { env: [{ name: 'SPIFFE_ENDPOINT_SOCKET', value: 'unix:///var/run/keystead/spiffe.sock' }] };
const AUDIENCE = [{ name: 'AUDIENCE', value: 'server' }];
const TOKEN = { token: { audiences: ['server'], duration: '20s' } };
const id = (name: string): string => `spiffe://[^/]+/ns/${scene.namespace}/module/${name}`;
const digestOf = (reference: string): object => ({ digest: reference.slice(reference.indexOf('@') + 1) });

beforeAll(async () => {
  await scene.open();
  [image = '', foreign = ''] = await pushGoClient(
    join(import.meta.dirname, 'go-spiffe'),
    ['module', 'foreign'],
    scene.lab.registry,
  );
  const module = (name: string, delivery: readonly string[], variable: string, value: string): object[] =>
    scene.module(name, {
      container: { image, command: COMMAND, env: [{ name: variable, value }, ...AUDIENCE] },
      identity: { delivery, x509: { duration: '1m', renewAtPercent: 20 }, ...(name === 'client' && TOKEN) },
    });
  await scene.apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: scene.namespace, name: 'server' },
      spec: { selector: { 'keystead.dev/module': 'server' }, ports: [{ port: PORT }] },
    },
    ...module('server', ['Volume', 'Socket'], 'SERVE', `:${PORT}`),
    ...module('client', ['Socket'], 'CALL', `server.${scene.namespace}.svc.cluster.local:${PORT}`),
    scene.object('EdgeModule', 'watched', { selector: { matchLabels: { app: 'watched' } }, images: [digestOf(image)] }),
    scene.object('ModuleIdentity', 'watched', { moduleRef: { name: 'watched' }, delivery: ['Socket'] }),
    scene.pod('watched', { app: 'watched' }, { image, command: COMMAND, container: SOCKET }),
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

async function socketOf(pod: string): Promise<string> {
  const found = await scene.find('pod', pod);
  return join(await identityFolder(found!.metadata.uid), 'spiffe.sock');
}

async function accepts(path: string): Promise<boolean> {
  const socket = connect(path);
  const accepted = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return accepted;
}

/** Serials of the certificates that a pod has been given, each once. */
function serials(log: string, pattern: RegExp): Set<string> {
  return new Set([...log.matchAll(pattern)].map(([, serial = '']) => serial));
}

describe('go-spiffe in a pod', () => {
  it('gets its X.509-SVID, verifies it, and finds the bundle', async () => {
    const [, hint] = await says('deploy/client', new RegExp(`^svid id=${id('client')} hint=(\\S+) `, 'm'));
    expect(hint).toBe('client');
    await says('deploy/client', /^bundles 1$/m);
  }, 120_000);

  it('gets JWT-SVIDs for the audience it may ask for, valid by the bundle and by the Workload API, and new ones', async () => {
    const { tokens } = await until('three tokens of the client', 120, async () => {
      const log = await scene.run('logs', 'deploy/client');
      const found = [...log.matchAll(/^jwt id=(\S+) asked=(\S+) hint=(\S+) aud=\[(\S+)\] jti=(\S+) .* other=(.*)$/gm)];
      return found.length >= 3 ? { tokens: found } : log.slice(-800);
    });
    for (const [, valid, asked, hint, audience, , other] of tokens) {
      expect([valid, asked]).toEqual([expect.stringMatching(id('client')), valid]);
      expect([hint, audience]).toEqual(['client', 'server']);
      expect(other).toMatch(/code = InvalidArgument desc = JWT-SVID: aud: expected "somebody-else"/);
    }
    expect(new Set(tokens.map(([, , , , , jti]) => jti)).size).toBe(tokens.length);
  }, 150_000);

  it('is refused a token that its ModuleIdentity does not grant, with what to do', async () => {
    await says(
      'deploy/server',
      /^jwt-error .*code = PermissionDenied desc = AudienceNotAllowed: by ModuleIdentity server/m,
    );
  }, 120_000);

  it('serves what lies in the volume where both are asked for', async () => {
    const [, serial] = await says('deploy/server', /^svid .* serial=([0-9a-f]+)/m);
    expect(serial).toMatch(/^[0-9a-f]{30,}$/);
    const { items } = JSON.parse(await scene.run('get', 'pods', '-l', 'keystead.dev/module=server', '-o', 'json')) as {
      items: { metadata: { name: string } }[];
    };
    const names = await scene.files(items[0]!.metadata.name);
    expect(names).toEqual([
      'ca.crt',
      'credential-bundle.pem',
      'crl.pem',
      'spiffe.sock',
      'tls.crt',
      'tls.key',
      'trust-bundle.pem',
    ]);
  }, 120_000);

  it('speaks mutual TLS between two modules', async () => {
    const answer = `answer="hello ${id('client')}\\\\n"`;
    await says('deploy/client', new RegExp(`^called peer=${id('server')} .* ${answer}`, 'm'));
  }, 120_000);

  it('follows rotations without a failed call', async () => {
    const { log } = await until('three certificates of the client', 120, async () => {
      const text = await scene.run('logs', 'deploy/client');
      const given = serials(text, /^(?:svid|update) .* serial=([0-9a-f]+)/gm);
      return given.size >= 3 ? { log: text } : `${given.size} certificates`;
    });
    const calls = log.slice(log.indexOf('\ncalled '));
    expect(serials(calls, /peer-serial=([0-9a-f]+)/g).size).toBeGreaterThan(1);
    expect(calls).not.toMatch(/call-error|watch-error|verify-error/);
  }, 150_000);

  it('is refused with the reason where it runs from another image', async () => {
    await says('watched', new RegExp(`^update id=${id('watched')}`, 'm'));
    await scene.apply(
      scene.pod('foreign', { app: 'watched' }, { image: foreign, command: COMMAND, container: SOCKET }),
    );
    await says('foreign', /^fetch-error .*code = PermissionDenied desc = ImageDigestMismatch: expected/m);
    expect(await scene.run('logs', 'foreign')).not.toMatch(/^svid/m);
    expect(await scene.run('logs', 'watched')).not.toMatch(/(?:fetch|watch)-error .*PermissionDenied/);
  }, 180_000);

  it('is not served to a process of the node, though it reaches the same socket', async () => {
    await says('watched', /^svid /m);
    const client = new GrpcClient(await socketOf('watched'), { headers: { 'workload.spiffe.io': 'true' } });
    const call = client.serverStream(SpiffeWorkloadAPI.method.fetchX509SVID, {}).next();
    const error: unknown = await call.catch((thrown: unknown) => thrown);
    client.close();
    expect(hasStatus(error, status.PERMISSION_DENIED)).toBe(true);
    expect(String(error)).toMatch(/ContainerUnknown: expected process \d+ in one container/);
  }, 120_000);

  it('is served again by the next agent, on the same path', async () => {
    await says('watched', /^update /m);
    const socket = await socketOf('watched');
    const updates = (await scene.run('logs', 'watched')).match(/^update /gm)?.length ?? 0;
    const old = pidsOf('agent');
    killNow('agent');
    await until('another agent', 90, () => {
      const pids = pidsOf('agent');
      return Promise.resolve(pids.length > 0 && !old.includes(pids[0]!) ? { pids } : 'none');
    });
    const started = performance.now();
    while (!(await accepts(socket))) await new Promise((resolve) => setTimeout(resolve, 20));
    const seconds = (performance.now() - started) / 1000;
    console.log(`served ${seconds.toFixed(2)} s after the start of the agent's process`);
    // On a machine that does nothing else it is less than one.
    expect(seconds).toBeLessThan(5);
    await until('an update by the next agent', 60, async () => {
      const log = await scene.run('logs', 'watched');
      const count = log.match(/^update /gm)?.length ?? 0;
      return count > updates && /^watch-error .*code = Unavailable/m.test(log) ? true : `${count} updates`;
    });
  }, 240_000);

  it('is cut off when its image is not allowed any more, and served again when it is', async () => {
    const allow = async (images: readonly object[]): Promise<void> => {
      await scene.run('patch', 'edgemodule', 'watched', '--type=merge', '-p', JSON.stringify({ spec: { images } }));
    };
    const updates = async (): Promise<number> => (await scene.run('logs', 'watched')).match(/^update /gm)?.length ?? 0;
    await says('watched', /^update /m);
    const before = await updates();
    await allow([{ digest: `sha256:${'0'.repeat(64)}` }]);
    await says('watched', /^watch-error .*code = PermissionDenied desc = ImageDigestMismatch/m);
    await allow([digestOf(image)]);
    await until('an update after the module was allowed again', 60, async () => {
      const count = await updates();
      return count > before ? true : `${count} updates`;
    });
  }, 180_000);
});
