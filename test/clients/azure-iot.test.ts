// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { createHmac, createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { API_VERSIONS } from '../../src/workload/iotedge/api-version.ts';
import { killNow } from '../chaos/processes.ts';
import { until } from '../e2e/harness.ts';
import { identityFolder } from '../e2e/pod-processes.ts';
import { AzureIotScene, GENERATION, KEYS } from './azure-iot-scene.ts';

const scene = new AzureIotScene('azure-iot');

beforeAll(() => scene.open(), 600_000);
afterAll(() => scene.leave(), 180_000);

describe.each(['node', 'python'])('the SDK for %s', (module) => {
  it('opens with a token that the hub accepts', async () => {
    await scene.says('edgehub', new RegExp(`^serving ${scene.gateway.replaceAll('.', '\\.')}$`, 'm'));
    await scene.says(module, /^opened$/m);
    const [, device] = await scene.says('edgehub', new RegExp(`^connected (\\S+)/${module} until=`, 'm'));
    expect(device).toBe('keystead-lab');
  }, 400_000);

  it('sends events, and one by an output', async () => {
    await scene.says(module, /^sent 3$/m);
    await scene.says('edgehub', new RegExp(`^event \\S+/${module} .*\\$\\.on=out1.* by an output$`, 'm'));
    await scene.says('edgehub', new RegExp(`^event \\S+/${module} .* event 3$`, 'm'));
  }, 200_000);

  it('reads its twin, reports, and answers a method', async () => {
    await scene.says(module, /^twin \{.*"interval": ?5/m);
    await scene.says('edgehub', new RegExp(`^reported \\S+/${module} .*"program":"${module}"`, 'm'));
    await scene.says(module, /^method ping \{"from": ?"the hub"\}$/m);
    await scene.says('edgehub', new RegExp(`^method-result \\S+/${module} 200 \\{"pong": ?true\\}$`, 'm'));
  }, 200_000);

  it('renews its token', async () => {
    const ends = await until('three tokens', 180, async () => {
      const found = [...new Set(await scene.tokenEnds(module))];
      return found.length >= 3 ? { found } : `${found.length} tokens`;
    });
    expect([...ends.found].sort()).toEqual(ends.found);
  }, 200_000);
});

describe('a module', () => {
  it('that names another is refused', async () => {
    const pattern =
      /^failed TooManyDevicesError .*ModuleMismatch: expected the caller's own module id, wrong, found \\?"node/m;
    await scene.says('wrong', pattern);
    expect(await scene.logOf('edgehub')).not.toMatch(/^\w+ \S+\/wrong /m);
  }, 200_000);

  it('whose key the hub does not know is refused by the hub', async () => {
    await scene.says('edgehub', /^refused \S+\/stranger another signature$/m);
    await scene.says('stranger', /^failed \S+ /m);
    expect(await scene.logOf('stranger')).not.toMatch(/^opened/m);
  }, 200_000);

  it('goes on while the notary restarts', async () => {
    const before = { node: (await scene.tokenEnds('node')).length, python: (await scene.tokenEnds('python')).length };
    killNow('notary');
    for (const module of ['node', 'python'] as const) {
      await until(`renewals of ${module}`, 180, async () => {
        const count = (await scene.tokenEnds(module)).length;
        return count >= before[module] + 2 ? true : `${count - before[module]} renewals`;
      });
      expect(await scene.logOf(module)).not.toMatch(/^(failed|client-error|log .*renewal failed)/m);
    }
    const pods = await scene.run(
      'get',
      'pods',
      '-l',
      'keystead.dev/module in (node, python)',
      '-o',
      'jsonpath={.items[*].status.containerStatuses[*].restartCount}',
    );
    expect(pods).toBe('0 0');
  }, 400_000);
});

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: Record<string, never> & { message?: string };
}

const OWN = `/modules/curl/genid/${GENERATION}`;

/** Runs curl in the pod, once for each call, and gives the replies in their order. */
async function curl(...calls: readonly (readonly [method: string, target: string, body?: string])[]): Promise<Reply[]> {
  const commands = calls.map(([method, target, body]) => {
    const data = body === undefined ? '' : ` -H 'Content-Type: application/json' -d '${body}'`;
    return `curl -s -X ${method}${data} -w '\\n%{http_code} %{content_type}\\n' --unix-socket /var/run/keystead/workload.sock 'http://localhost${target}'`;
  });
  const lines = (await scene.run('exec', 'deploy/curl', '--', '/bin/sh', '-c', commands.join('; ')))
    .trimEnd()
    .split('\n');
  return calls.map((_, index) => {
    const [body = '', line = ''] = lines.slice(2 * index);
    const [status, type = ''] = line.split(' ');
    return { status: Number(status), type, body: JSON.parse(body) as Reply['body'] };
  });
}

/** When the module's container was started, by the kubelet. */
async function startOf(module: string): Promise<string> {
  const path = 'jsonpath={.items[0].status.containerStatuses[0].state.running.startedAt}';
  const pods = ['get', 'pods', '-l', `keystead.dev/module=${module}`, '-o', path];
  const { at } = await until(`the start of ${module}`, 30, async () => {
    const at = await scene.run(...pods);
    return at === '' ? 'not said' : { at };
  });
  return at;
}

const V = 'api-version=2018-06-28';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('curl --unix-socket', () => {
  const ENCRYPT = { plaintext: base64('a secret'), initializationVector: base64('iv') };
  const SIGN = JSON.stringify({ keyId: 'primary', algo: 'HMACSHA256', data: base64('data') });

  it('gets an answer on every route', async () => {
    await scene.says('edgehub', /^serving /m);
    await scene.holder('curl', 'Allowed');
    const startTime = await startOf('edgehub');
    const name = `curl.${scene.namespace}.svc`;
    const [sign, encrypt, server, identity, bundle, manifest, modules] = await curl(
      ['POST', `${OWN}/sign?${V}`, SIGN],
      ['POST', `${OWN}/encrypt?${V}`, JSON.stringify(ENCRYPT)],
      [
        'POST',
        `${OWN}/certificate/server?${V}`,
        JSON.stringify({ commonName: name, expiration: '2030-01-01T00:00:00Z' }),
      ],
      ['POST', `/modules/curl/certificate/identity?${V}`],
      ['GET', `/trust-bundle?${V}`],
      ['GET', `/manifest-trust-bundle?${V}`],
      ['GET', `/modules?${V}`],
    );
    const replies = [sign, encrypt, server, identity, bundle, manifest, modules];
    expect(replies.map((reply) => reply?.status)).toEqual([200, 200, 201, 201, 200, 200, 200]);
    expect(new Set(replies.map((reply) => reply?.type))).toEqual(new Set(['application/json']));
    const digest = createHmac('sha256', KEYS.node).update('data').digest('base64');
    expect(sign?.body).toEqual({ digest });
    checkCertificate(server!.body, bundle!.body, `DNS:${name}`);
    checkCertificate(identity!.body, bundle!.body);
    expect(manifest?.body).toEqual({ certificate: '' });
    expect(modules?.body).toMatchObject({
      modules: expect.arrayContaining([
        expect.objectContaining({
          name: '$edgeHub',
          type: 'docker',
          status: { startTime, runtimeStatus: { status: 'running' } },
        }),
      ]) as unknown,
    });
    const ciphertext = String(encrypt?.body['ciphertext']);
    const body = { ciphertext, initializationVector: ENCRYPT.initializationVector };
    const [decrypted, other] = await curl(
      ['POST', `${OWN}/decrypt?${V}`, JSON.stringify(body)],
      ['POST', `${OWN}/decrypt?${V}`, JSON.stringify({ ...body, initializationVector: base64('iw') })],
    );
    expect(decrypted).toMatchObject({ status: 200, body: { plaintext: ENCRYPT.plaintext } });
    expect(other).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('ciphertext: expected one of this module') as unknown },
    });
  }, 300_000);

  it('is understood in every version, and told what is wrong otherwise', async () => {
    const versions = await curl(
      ...API_VERSIONS.map((version) => ['GET', `/trust-bundle?api-version=${version}`] as const),
    );
    expect(versions.map(({ status }) => status)).toEqual(API_VERSIONS.map(() => 200));
    const refusals = await curl(
      ['GET', '/trust-bundle'],
      ['GET', '/trust-bundle?api-version=1'],
      ['GET', `/nothing?${V}`],
      ['PUT', `/trust-bundle?${V}`],
      ['POST', `${OWN}/sign?${V}`],
      ['POST', `/modules/curl/genid/1/sign?${V}`, SIGN],
      ['POST', `${OWN}/certificate/server?${V}`, JSON.stringify({ commonName: scene.gateway })],
    );
    expect(refusals.map(({ status, body }) => `${status} ${body.message}`)).toEqual([
      '400 api-version not specified',
      '400 invalid api-version "1"',
      '404 not found',
      '400 method not allowed',
      '400 missing request body',
      expect.stringMatching(/^403 GenerationMismatch: expected 638012345678901234, .* found "1"$/),
      expect.stringMatching(
        new RegExp(`^403 DnsNameNotGranted: expected curl\\.${scene.namespace}\\.svc, .* found "edgehub`),
      ),
    ]);
  }, 200_000);

  it('is refused where it runs outside of the pod, though it reaches the socket', async () => {
    const { items } = JSON.parse(await scene.run('get', 'pods', '-l', 'keystead.dev/module=curl', '-o', 'json')) as {
      items: { metadata: { uid: string } }[];
    };
    const socket = join(await identityFolder(items[0]!.metadata.uid), 'workload.sock');
    const call = ['-s', '-X', 'POST', '-d', SIGN, '-H', 'Content-Type: application/json', '--unix-socket', socket];
    const { stdout } = await promisify(execFile)('curl', [...call, `http://localhost${OWN}/sign?${V}`]);
    expect(JSON.parse(stdout)).toEqual({
      message: expect.stringMatching(/^ContainerUnknown: expected process \d+ in one container/),
    });
  }, 120_000);
});

/** A chain that the trust bundle verifies, for the key beside it, with these names and the module's SPIFFE ID. */
function checkCertificate(answer: Reply['body'], bundle: Reply['body'], ...dnsNames: readonly string[]): void {
  const { certificate, privateKey, expiration } = answer as unknown as {
    certificate: string;
    privateKey: { type: string; bytes: string };
    expiration: string;
  };
  const leaf = new X509Certificate(certificate);
  const anchors = String(bundle['certificate']).match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? [];
  expect(anchors.some((anchor) => leaf.verify(new X509Certificate(anchor).publicKey))).toBe(true);
  expect(privateKey.type).toBe('key');
  const key = createPrivateKey(privateKey.bytes);
  expect(leaf.checkPrivateKey(key)).toBe(true);
  expect(key.asymmetricKeyType).toBe('ec');
  const names = leaf.subjectAltName?.split(', ');
  expect(names).toEqual([
    expect.stringMatching(new RegExp(`^URI:spiffe://[^/]+/ns/${scene.namespace}/module/curl$`)),
    ...dnsNames,
  ]);
  expect(leaf.serialNumber).toMatch(/^[0-9A-F]{30,}$/);
  expect(Date.parse(expiration)).toBe(leaf.validToDate.getTime());
}
