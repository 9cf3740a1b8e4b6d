// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeDevice } from '../../src/api/v1alpha1/index.ts';
import { crlsIn, readCrl } from '../../src/issue/crl-reader.ts';
import { pushGoClient } from '../clients/go-client.ts';
import { Api, type ApiAnswer, type PatchType } from '../e2e/api.ts';
import { ALL_FILES, until, type PodChange } from '../e2e/harness.ts';
import { processesOfPod } from '../e2e/pod-processes.ts';
import { AttackScene } from './attack.ts';
import { clientPod } from './client-pod.ts';
import { forgedList, listOf, makeAuthority, withAuthority, type Authority } from './forged-device.ts';
import { agentToken, SecondNode } from './second-node.ts';

/** Two real nodes. Whoever has taken over the second one has its agent's token, its notary and its modules. */
const scene = new AttackScene('other-node');
let second: SecondNode;
let admin: Api;
let here: Api;
let there: Api;
let held: Awaited<ReturnType<AttackScene['holder']>>;

const first = (): string => scene.lab.nodeName;
/** Straight onto a node: nobody schedules it. */
const on = (node: string, change: PodChange = {}): PodChange => ({
  ...change,
  spec: { ...change.spec, nodeName: node },
});

beforeAll(async () => {
  second = await SecondNode.join(scene.kubectl);
  await scene.open();
  [admin, here, there] = [
    await Api.open(scene.kubectl),
    await Api.open(scene.kubectl, { token: agentToken(first()) }),
    await Api.open(scene.kubectl, { token: agentToken(second.name) }),
  ];
  const identity = { delivery: ['Volume', 'Secret'], secretName: 'victim-tls' };
  const gates = { readinessGates: [{ conditionType: 'keystead.dev/attested' }] };
  await scene.apply(...scene.claim('victim', {}, identity));
  await scene.apply(scene.pod('victim', { app: 'victim' }, on(first(), { spec: gates })));
  held = await scene.holder('victim', 'Allowed', ({ serial }) => serial !== undefined);
  await scene.filesAre('victim', ALL_FILES);
  await until('the filled Secret', 30, async () => ((await secretOf()) === first() ? true : 'empty'));
}, 300_000);
afterAll(async () => {
  for (const api of [admin, here, there]) api.close();
  await scene.close();
  await second.leave();
}, 120_000);

const LIMIT = 60_000;
const KEYSTEAD = '/apis/keystead.dev/v1alpha1';
const inNamespace = (rest: string): string => `/api/v1/namespaces/${scene.namespace}/${rest}`;

async function secretOf(): Promise<string> {
  const { body } = await admin.get(inNamespace('secrets/victim-tls'));
  const { metadata, data } = body as {
    metadata?: { annotations?: Record<string, string> };
    data?: Record<string, string>;
  };
  return data?.['tls.crt'] ? (metadata?.annotations?.['keystead.dev/node'] ?? '') : '';
}

interface Write {
  readonly path: string;
  readonly body: object;
  readonly type?: PatchType;
}

/** A write that the first node's agent may make, and the second's may not. Nothing is written: it is asked for as a trial. */
const WRITES: readonly (readonly [what: string, message: string, write: () => Write])[] = [
  [
    'that no pod of the first node holds an identity',
    'an agent writes holders of its own node',
    () => ({ path: `${identity('victim')}/status`, body: { status: { holders: [] } } }),
  ],
  [
    'that another pod of the first node holds one',
    'an agent writes holders of its own node',
    () => {
      const forged = { ...held, pod: 'forged', podUid: 'forged' };
      return { path: `${identity('victim')}/status`, body: { status: { holders: [held, forged] } } };
    },
  ],
  [
    'the readiness gate of a pod of the first node',
    'pods of its own node',
    () => {
      const lastTransitionTime = '2026-01-01T00:00:00Z';
      const conditions = [{ type: 'keystead.dev/attested', status: 'False', lastTransitionTime }];
      return { path: inNamespace('pods/victim/status'), body: { status: { conditions } }, type: 'strategic-merge' };
    },
  ],
  [
    'the annotation by which the kubelet writes a pod’s volumes anew',
    'pods of its own node',
    () => ({
      path: inNamespace('pods/victim'),
      body: { metadata: { annotations: { 'keystead.dev/refresh': '1' } } },
    }),
  ],
  [
    'what the first node’s token is and which authorities it has',
    'the EdgeDevice of its own node',
    () => ({
      path: `${KEYSTEAD}/edgedevices/${first()}/status`,
      body: { status: { issuer: { anchors: '' }, revocation: { crl: '' } } },
    }),
  ],
  [
    'an empty Secret in the place of one that the first node holds',
    'an agent empties a Secret that its own node',
    () => ({
      path: inNamespace('secrets/victim-tls'),
      body: { metadata: { annotations: { 'keystead.dev/node': NODE } }, data: { 'tls.crt': '', 'tls.key': '' } },
    }),
  ],
];
/** Stands for the node of the agent that writes. */
const NODE = '<node>';

const identity = (name: string): string => `${KEYSTEAD}/namespaces/${scene.namespace}/moduleidentities/${name}`;

function trial(api: Api, node: string, { path, body, type }: Write): Promise<ApiAnswer> {
  const named = JSON.parse(JSON.stringify(body).replaceAll(NODE, node)) as object;
  return api.patch(`${path}?dryRun=All`, named, type);
}

describe('the agent of the second node, with its own token, cannot write', () => {
  it.each(WRITES)(
    '%s; the first one’s can',
    async (_what, message, write) => {
      const refused = await trial(there, second.name, write());
      expect(refused.body.message).toContain(message);
      expect(refused.status).toBe(403);
      expect(await trial(here, first(), write())).toMatchObject({ status: 200 });
    },
    LIMIT,
  );

  it('a Secret in the name of the first node', async () => {
    const metadata = { annotations: { 'keystead.dev/node': first() } };
    const body = { metadata, data: { 'tls.crt': 'QQ==', 'tls.key': 'QQ==' } };
    const write = { path: inNamespace('secrets/victim-tls'), body };
    const refused = await trial(there, second.name, write);
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body.message).toContain('in the name of its own node');
    expect(await trial(here, first(), write)).toMatchObject({ status: 200 });
  });

  it('the end of a pod of the first node', async () => {
    const remove = (api: Api): Promise<ApiAnswer> => api.call('DELETE', inNamespace('pods/victim?dryRun=All'));
    const refused = await remove(there);
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body.message).toContain('pods of its own node');
    expect(await remove(here)).toMatchObject({ status: 200 });
  });

  it('Leases, modules, identities or bindings, nor read a Secret or make a token', async () => {
    const spec = { spec: { images: [] } };
    const module = `${KEYSTEAD}/namespaces/${scene.namespace}/edgemodules`;
    const asked = [
      there.patch(`/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${first()}`, spec),
      there.get('/apis/coordination.k8s.io/v1/namespaces/keystead-system/leases'),
      there.patch(`${module}/victim`, spec),
      there.patch(identity('victim'), { spec: { moduleRef: { name: 'x' } } }),
      there.get(inNamespace('secrets/victim-tls')),
      there.call('POST', inNamespace('serviceaccounts/default/token'), { spec: {} }),
      there.call('POST', inNamespace('pods/victim/eviction'), { metadata: { name: 'victim' } }),
    ];
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => 403));
    expect(await there.get(module)).toMatchObject({ status: 200 });
  });
});

describe('what the second node says of itself', () => {
  const path = (): string => `${KEYSTEAD}/edgedevices/${second.name}`;
  const deviceOf = async (name: string): Promise<EdgeDevice> =>
    (await admin.get(`${KEYSTEAD}/edgedevices/${name}`)).body as unknown as EdgeDevice;

  /**
   * Writes as the agent does, until a module of the first node has the attacker's authority among its anchors: LIMIT, nodes
   * of a trust domain trust each other's. By then all that was written with it has been read.
   */
  async function says(status: object, attacker: Authority): Promise<void> {
    await until('the effect of a forged status', 30, async () => {
      expect(await there.patch(`${path()}/status`, { status })).toMatchObject({ status: 200 });
      const anchors = await scene.read('victim', 'ca.crt');
      return anchors.includes(attacker.certificate.trim()) ? (true as const) : 'none yet';
    });
  }

  it(
    'puts no revocation list in the place of the first node’s',
    async () => {
      const [device, own, attacker] = [await deviceOf(first()), await deviceOf(second.name), makeAuthority()];
      const crl = `${own.status?.revocation?.crl ?? ''}${forgedList(device, attacker)}`;
      await says({ ...withAuthority(own, attacker), revocation: { ...own.status?.revocation, crl } }, attacker);
      const lists = crlsIn(await scene.read('victim', 'crl.pem')).map((der) => readCrl(der));
      const numbers = lists
        .filter(({ authority }) => authority === listOf(device).authority)
        .map(({ number }) => number);
      expect(numbers).toHaveLength(1);
      expect(numbers[0]).toBeLessThan(listOf(device).number + 1_000);
    },
    LIMIT,
  );

  it(
    'puts no key for tokens in the place of the first node’s',
    async () => {
      const [device, own, attacker] = [await deviceOf(first()), await deviceOf(second.name), makeAuthority()];
      const [key] = device.status?.tokenKeys ?? [];
      expect(key).toBeDefined();
      const { x, y } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
      const tokenKeys = [...(own.status?.tokenKeys ?? []), { ...key, x, y }];
      await says({ ...withAuthority(own, attacker), tokenKeys }, attacker);
      const jwks = await scene.kubectl.run(['get', 'trustbundle', '-o', 'jsonpath={.items[*].status.jwks}']);
      expect(jwks).toContain(key!.x);
      expect(jwks).not.toContain(x);
    },
    LIMIT,
  );
});

describe('what is of the first node', () => {
  async function says(pod: string, pattern: RegExp): Promise<RegExpExecArray> {
    return until(`${pattern.source} in the log of ${pod}`, 90, async () => {
      const log = await scene.run('logs', pod).catch(String);
      return pattern.exec(log) ?? log.slice(-800);
    });
  }

  /** A file of a pod, on whichever node it is. */
  async function dataOf(pod: string, file: string): Promise<string> {
    const uid = await scene.run('get', 'pod', pod, '-o', 'jsonpath={.metadata.uid}');
    const roots = processesOfPod(uid).map((pid) => `/proc/${pid}/root/data`);
    return join(roots.find((root) => existsSync(root)) ?? '', file);
  }

  it(
    'and was encrypted there is not decrypted for the same module on the second',
    async () => {
      const source = join(import.meta.dirname, '../clients/go-notary');
      const [image = ''] = await pushGoClient(source, ['module'], scene.lab.registry);
      const hardware = {
        key: { residency: 'Hardware' },
        notary: { sign: true, encrypt: true },
        delivery: ['Volume', 'Socket'],
      };
      await scene.apply(...scene.claim('vault', { images: [{ digest: image.split('@')[1] }] }, hardware));
      await scene.apply(
        clientPod(scene, 'seals', 'vault', { image, node: first(), SEALED_FILE: '/data/sealed' }),
        clientPod(scene, 'opens', 'vault', { image, node: first(), OPEN_FILE: '/data/sealed' }),
        clientPod(scene, 'opens-elsewhere', 'vault', { image, node: second.name, OPEN_FILE: '/data/sealed' }),
      );
      await says('seals', /^sealed-file err=<nil>$/m);
      for (const pod of ['opens', 'opens-elsewhere']) {
        await says(pod, /^decrypt same=true/m);
        copyFileSync(await dataOf('seals', 'sealed'), await dataOf(pod, 'sealed'));
      }
      await says('opens', /^open-file same=true err=<nil>$/m);
      await says('opens-elsewhere', /^open-file same=false err=.*code = InvalidArgument/m);
      await scene.remove('seals', 'opens', 'opens-elsewhere');
    },
    2 * LIMIT,
  );

  it(
    'and was revoked there is refused on the second: a token',
    async () => {
      const source = join(import.meta.dirname, '../clients/go-spiffe');
      const [image = ''] = await pushGoClient(source, ['module'], scene.lab.registry);
      const images = [{ digest: image.split('@')[1] }];
      const token = { audiences: ['server'], duration: '10m' };
      await scene.apply(
        ...scene.claim('gives', { images }, { delivery: ['Socket'], token }),
        ...scene.claim('asks', { images }, { delivery: ['Socket'] }),
        clientPod(scene, 'gives', 'gives', { image, node: first(), AUDIENCE: 'server', TOKEN_FILE: '/data/token' }),
        clientPod(scene, 'asks', 'asks', {
          image,
          node: second.name,
          AUDIENCE: 'server',
          VALIDATE_FILE: '/data/token',
        }),
      );
      await says('gives', /^token-file err=<nil>$/m);
      await says('asks', /^svid /m);
      copyFileSync(await dataOf('gives', 'token'), await dataOf('asks', 'token'));
      await says('asks', /^validate-ok$/m);
      await scene.run('patch', 'edgemodule', 'gives', '--type=merge', '-p', JSON.stringify(NO_IMAGE));
      await says('asks', /^validate-error .*revoked/m);
      await scene.remove('gives', 'asks');
    },
    2 * LIMIT,
  );
});

describe("the token of the second node's agent", () => {
  it(
    'is of no use once its pod has gone',
    async () => {
      const pods = `/api/v1/namespaces/keystead-system/pods`;
      const of = `?labelSelector=app.kubernetes.io/component=node&fieldSelector=spec.nodeName=${second.name}`;
      const { items } = (await admin.get(`${pods}${of}`)).body as unknown as {
        items: { metadata: { name: string } }[];
      };
      const reads = (): Promise<ApiAnswer> => there.get(`${KEYSTEAD}/edgedevices`);
      expect(await reads()).toMatchObject({ status: 200 });
      for (const { metadata } of items) await admin.call('DELETE', `${pods}/${metadata.name}?gracePeriodSeconds=0`);
      // The API server remembers for some seconds that a token is good.
      await until('the refusal of the token', 30, async () => {
        const { status } = await reads();
        return status === 401 ? (true as const) : String(status);
      });
    },
    LIMIT,
  );
});

/** Allows no image that exists. */
const NO_IMAGE = { spec: { images: [{ digest: `sha256:${'0'.repeat(64)}` }] } };
