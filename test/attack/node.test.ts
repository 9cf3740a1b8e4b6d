// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { pushImage } from '../../src/build/image/registry.ts';
import { Identity } from '../../src/gen/csi/v1/csi_pb.js';
import { Registration } from '../../src/gen/pluginregistration/v1/api_pb.js';
import { GrpcClient } from '../../src/grpc/client.ts';
import { ALL_FILES, until } from '../e2e/harness.ts';
import { attackerImage } from './attacker-image.ts';
import { AttackScene } from './attack.ts';

const scene = new AttackScene('node');
const AGENT = 'system:serviceaccount:keystead-system:keystead-agent';
let held: Awaited<ReturnType<AttackScene['holder']>>;
let attacker: string;
beforeAll(async () => {
  await scene.open();
  const repository = { registry: scene.lab.registry, name: 'keystead/attacker' };
  ({ reference: attacker } = await pushImage((await attackerImage()).image, 'latest', repository));
  const gates = { spec: { readinessGates: [{ conditionType: 'keystead.dev/attested' }] } };
  await scene.apply(...scene.claim('victim'), scene.pod('victim', { app: 'victim' }, gates));
  held = await scene.holder('victim', 'Allowed');
  await scene.filesAre('victim', ALL_FILES);
}, 120_000);
afterAll(() => scene.close(), 60_000);

const LIMIT = 60_000;

/** The agent's account with a token of another node. Its roles do not matter here: what it may is decided before. */
const agentOf = (node: string): string[] => [
  `--as=${AGENT}`,
  '--as-group=system:masters',
  `--as-user-extra=authentication.kubernetes.io/node-name=${node}`,
];

function patchStatus(kind: string, name: string, status: object, as: readonly string[]): Promise<string> {
  // Of a pod's conditions only the given one; our own kinds know no such merge.
  const type = kind === 'pod' ? 'strategic' : 'merge';
  const patch = [`--type=${type}`, '-p', JSON.stringify({ status }), '--dry-run=server'];
  return scene.kubectl.run(['-n', scene.namespace, 'patch', kind, name, '--subresource=status', ...patch, ...as]);
}

describe("another node's agent", () => {
  const other = agentOf('node-elsewhere');
  const here = () => agentOf(scene.lab.nodeName);

  it(
    'cannot say that a pod of this node holds an identity, nor that it does not',
    async () => {
      const forged = { ...held, pod: 'forged', podUid: 'forged' };
      const message = 'an agent writes holders of its own node node-elsewhere only';
      await expect(patchStatus('moduleidentity', 'victim', { holders: [held, forged] }, other)).rejects.toThrow(
        message,
      );
      await expect(patchStatus('moduleidentity', 'victim', { holders: [] }, other)).rejects.toThrow(message);
      const both = patchStatus('moduleidentity', 'victim', { holders: [held, forged] }, here());
      await expect(both).resolves.toContain('patched');
    },
    LIMIT,
  );

  it(
    "cannot open this node's readiness gates",
    async () => {
      const lastTransitionTime = '2026-01-01T00:00:00Z';
      const conditions = [{ type: 'keystead.dev/attested', status: 'False', lastTransitionTime }];
      await expect(patchStatus('pod', 'victim', { conditions }, other)).rejects.toThrow('pods of its own node');
      await expect(patchStatus('pod', 'victim', { conditions }, here())).resolves.toContain('patched');
    },
    LIMIT,
  );

  it(
    "cannot write this node's device",
    async () => {
      const status = { token: { label: 'forged' } };
      await expect(patchStatus('edgedevice', scene.lab.nodeName, status, other)).rejects.toThrow(
        'an agent writes the EdgeDevice of its own node node-elsewhere only',
      );
      await expect(patchStatus('edgedevice', scene.lab.nodeName, status, here())).resolves.toContain('patched');
    },
    LIMIT,
  );

  it(
    'cannot leave its node out',
    async () => {
      const nameless = [`--as=${AGENT}`, '--as-group=system:masters'];
      await expect(patchStatus('moduleidentity', 'victim', { holders: [] }, nameless)).rejects.toThrow(
        "the agent's token names no node",
      );
    },
    LIMIT,
  );
});

describe("a module's own service account", () => {
  it(
    'may write neither its identity nor its gate, nor read Secrets',
    async () => {
      const as = [`--as=system:serviceaccount:${scene.namespace}:default`];
      await expect(patchStatus('moduleidentity', 'victim', { holders: [] }, as)).rejects.toThrow('forbidden');
      await expect(patchStatus('pod', 'victim', { phase: 'Running' }, as)).rejects.toThrow('forbidden');
      await expect(scene.run('get', 'secrets', ...as)).rejects.toThrow('forbidden');
      await expect(scene.run('get', 'secrets')).resolves.toBeDefined();
    },
    LIMIT,
  );
});

/** What a pod finds that got hold of the folder of a socket by a hostPath. */
async function call(
  name: string,
  uid: number,
  path: string,
  socket: string,
): Promise<{ said: string; podUid: string }> {
  const container = {
    volumeMounts: [{ name: 'folder', mountPath: '/folder' }],
    securityContext: { runAsUser: uid, runAsGroup: uid },
  };
  const volumes = [{ name: 'folder', hostPath: { path, type: 'Directory' } }];
  const command = ['/app/attacker', 'call', `/folder/${socket}`];
  await scene.apply(scene.pod(name, { app: name }, { image: attacker, command, container, spec: { volumes } }));
  const { said } = await until('the call', 60, async () => {
    const log = await scene.run('logs', name).catch(String);
    return /^called: .*/m.test(log) ? { said: log.trim() } : log;
  });
  const podUid = (await scene.find('pod', name))!.metadata.uid;
  await scene.remove(name);
  return { said, podUid };
}

describe('the notary', () => {
  /** Its socket lies in a volume of the agent's pod. */
  async function callNotary(name: string, uid: number): Promise<string> {
    const uids = ['-n', 'keystead-system', 'get', 'pods', '-l', 'app.kubernetes.io/component=node'];
    const agentUid = (await scene.kubectl.run([...uids, '-o', 'jsonpath={.items[0].metadata.uid}'])).trim();
    const path = join(scene.lab.kubeletRoot, 'pods', agentUid, 'volumes/kubernetes.io~empty-dir/notary-socket');
    return (await call(name, uid, path, 'notary.sock')).said;
  }

  it(
    'is not to be called by a pod of another user that reaches its socket',
    async () => {
      expect(await callNotary('caller-1000', 1000)).toBe('called: Permission denied');
    },
    LIMIT,
  );

  it(
    'is not to be called by a root pod that reaches its socket: it is not the pod of the agent',
    async () => {
      // A refusal is answered at once, in the protocol's form; who may call is waited for.
      expect(await callNotary('caller-root', 0)).toBe('called: answered');
    },
    LIMIT,
  );
});

describe.each([
  ['to which the kubelet says which volumes to make', 'plugins/csi.keystead.dev', 'csi.sock'],
  ['by which the kubelet knows the driver', 'plugins_registry', 'csi.keystead.dev-reg.sock'],
])("the driver's socket %s", (_what, folder, socket) => {
  const path = (): string => join(scene.lab.kubeletRoot, folder);

  it(
    'is not to be called by a pod of another user that reaches it',
    async () => {
      const { said } = await call(`user-${socket.length}`, 1000, path(), socket);
      expect(said).toBe('called: Permission denied');
    },
    LIMIT,
  );

  it(
    'is not to be called by a root pod that reaches it; a process of the node is answered',
    async () => {
      const { said, podUid } = await call(`root-${socket.length}`, 0, path(), socket);
      expect(said).toBe('called: hung up on');
      const log = await scene.kubectl.run([
        '-n',
        'keystead-system',
        'logs',
        'daemonset/keystead-node',
        '-c',
        'agent',
        '--tail=500',
      ]);
      expect(
        log
          .split('\n')
          .filter((line) => line.includes('call refused') && line.includes(socket))
          .join(),
      ).toContain(podUid);
      const client = new GrpcClient(join(path(), socket));
      const method = socket === 'csi.sock' ? Identity.method.probe : Registration.method.getInfo;
      await expect(client.unary(method as typeof Identity.method.probe, {})).resolves.toBeDefined();
      client.close();
    },
    LIMIT,
  );
});
