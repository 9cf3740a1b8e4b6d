// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Cluster } from '../crds/cluster.ts';
import { Agents, type AgentCall, type AgentRequest } from './agents.ts';

const HERE = 'node-here';
const THERE = 'node-there';

let cluster: Cluster;
let agents: Agents;
let here: AgentCall;
let there: AgentCall;
/** EdgeDevices are named like their node, and cluster-wide: these names must be nobody else's. */
let devices: readonly string[] = [];

beforeAll(async () => {
  cluster = await Cluster.open();
  agents = await Agents.open();
  devices = [`${HERE}-${agents.id}`, `${THERE}-${agents.id}`];
  const { namespace } = agents;
  const pkcs11 = { library: '/usr/lib/softhsm/libsofthsm2.so', tokenLabel: 'keystead' };
  for (const name of devices) {
    await create({
      kind: 'EdgeDevice',
      metadata: { name },
      spec: { trustDomain: 'edge.test', rootOfTrust: { pkcs11 } },
    });
  }
  // After the devices, or a controller that runs in the cluster would make other ones.
  [here, there] = [await agents.on(devices[0]!), await agents.on(devices[1]!)];
  await create({ kind: 'ModuleIdentity', metadata: { name: 'm', namespace }, spec: { moduleRef: { name: 'm' } } });
  await agents.pod('mine', devices[0]!);
  await agents.pod('foreign', devices[1]!);
  await agents.untilPoliciesHold(() => here(status('edgedevice', devices[1]!, { token: { label: 'probe' } })));
}, 120_000);

afterAll(async () => {
  await agents[Symbol.asyncDispose]();
  await agents.admin(['delete', 'edgedevice', ...devices, '--ignore-not-found']);
  await cluster[Symbol.asyncDispose]();
}, 60_000);

function create(object: object): Promise<string> {
  return agents.admin(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'keystead.dev/v1alpha1', ...object }));
}

const PLURALS = {
  edgedevice: () => '/apis/keystead.dev/v1alpha1/edgedevices',
  moduleidentity: () => `/apis/keystead.dev/v1alpha1/namespaces/${agents.namespace}/moduleidentities`,
  pod: () => `/api/v1/namespaces/${agents.namespace}/pods`,
  secret: () => `/api/v1/namespaces/${agents.namespace}/secrets`,
};
type Plural = keyof typeof PLURALS;

function patch(kind: Plural, name: string, body: object): AgentRequest {
  return { method: 'PATCH', path: `${PLURALS[kind]()}/${name}`, type: 'merge-patch+json', body };
}

function status(kind: Plural, name: string, value: object): AgentRequest {
  return {
    method: 'PATCH',
    path: `${PLURALS[kind]()}/${name}/status`,
    type: 'merge-patch+json',
    body: { status: value },
  };
}

function remove(kind: Plural, name: string): AgentRequest {
  return { method: 'DELETE', path: `${PLURALS[kind]()}/${name}` };
}

describe('EdgeDevice', () => {
  it('lets an agent write the status of its own', async () => {
    await expect(here(status('edgedevice', devices[0]!, { token: { label: 'one' } }))).resolves.toBeDefined();
    await expect(here(status('edgedevice', devices[0]!, { attester: { bootID: 'b' } }))).resolves.toBeDefined();
  });

  it.each([
    ['the result of its measured boot', { integrity: { bootID: 'forged' } }],
    [
      'the condition that says so',
      {
        conditions: [
          {
            ...{ type: 'IntegrityVerified', status: 'True', reason: 'Verified', message: '' },
            lastTransitionTime: '2026-01-01T00:00:00Z',
          },
        ],
      },
    ],
  ])('is not given %s by its own agent', async (_, forged) => {
    await expect(here(status('edgedevice', devices[0]!, forged))).rejects.toThrow(
      'an agent writes neither status.integrity nor the condition IntegrityVerified',
    );
  });

  it("refuses another node's", async () => {
    await expect(here(status('edgedevice', devices[1]!, { token: { label: 'two' } }))).rejects.toThrow(
      `an agent writes the EdgeDevice of its own node ${devices[0]!} only`,
    );
  });

  it('refuses spec, creation and deletion, by role', async () => {
    await expect(here(patch('edgedevice', devices[0]!, { metadata: { labels: { a: 'b' } } }))).rejects.toThrow(
      'forbidden',
    );
    await expect(here(remove('edgedevice', devices[0]!))).rejects.toThrow('forbidden');
  });

  it('refuses a token that was made for no pod', async () => {
    const unbound = await agents.unbound();
    await expect(unbound(status('edgedevice', devices[0]!, { token: { label: 'x' } }))).rejects.toThrow(
      "the agent's token names no node",
    );
  });
});

describe('ModuleIdentity', () => {
  const holder = (node: string, podUid: string) => {
    return { podUid, pod: podUid, node, verdict: 'Allowed', since: '2026-01-01T00:00:00Z' };
  };

  /** Holders as an agent applies them: its own, under its own field manager. */
  async function apply(agent: AgentCall, node: string, ...holders: object[]): Promise<void> {
    const { namespace } = agents;
    const path = `${PLURALS.moduleidentity()}/m/status?force=true&fieldManager=keystead-agent-${node}`;
    const object = { apiVersion: 'keystead.dev/v1alpha1', kind: 'ModuleIdentity', metadata: { name: 'm', namespace } };
    await agent({ method: 'PATCH', path, type: 'apply-patch+yaml', body: { ...object, status: { holders } } });
  }

  async function holders(): Promise<string[]> {
    const list = await agents.admin([
      'get',
      'moduleidentity',
      'm',
      '-n',
      agents.namespace,
      '-o',
      'jsonpath={.status.holders[*].podUid}',
    ]);
    return list.split(' ').filter(Boolean).sort();
  }

  it('lets agents of two nodes write their own holders beside each other, in any order, and remove them', async () => {
    const [mine, theirs] = devices as [string, string];
    await apply(here, mine, holder(mine, 'b'));
    await apply(there, theirs, holder(theirs, 'c'), holder(theirs, 'a'));
    await apply(here, mine, holder(mine, 'd'), holder(mine, 'b'));
    await apply(there, theirs, holder(theirs, 'a'), holder(theirs, 'c'), holder(theirs, '0'));
    expect(await holders()).toEqual(['0', 'a', 'b', 'c', 'd']);
    await apply(here, mine);
    expect(await holders()).toEqual(['0', 'a', 'c']);
  });

  it.each([
    ['a holder in the name of another node', () => [holder(devices[1]!, 'forged')]],
    ["a change of another node's holder", () => [{ ...holder(devices[1]!, 'a'), verdict: 'Denied' }]],
    ["another node's holder made one's own", () => [{ ...holder(devices[0]!, 'a') }]],
  ])('refuses %s', async (_what, made) => {
    await apply(there, devices[1]!, holder(devices[1]!, 'a'));
    await expect(apply(here, devices[0]!, ...made())).rejects.toThrow(
      `an agent writes holders of its own node ${devices[0]!} only`,
    );
  });

  it("refuses to remove another node's holders", async () => {
    await apply(there, devices[1]!, holder(devices[1]!, 'a'));
    await expect(here(status('moduleidentity', 'm', { holders: [] }))).rejects.toThrow(
      'those of other nodes must stay',
    );
  });
});

describe('Pod', () => {
  const gate = (value: string) => {
    return {
      conditions: [{ type: 'keystead.dev/attested', status: value, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    };
  };
  /** A strategic merge, like an apply, adds to the list of conditions. */
  const statusMerge = (name: string, value: object): AgentRequest => {
    return { ...status('pod', name, value), type: 'strategic-merge-patch+json' };
  };

  it('lets an agent set the readiness gate and the refresh annotation of a pod of its node', async () => {
    await expect(here(statusMerge('mine', gate('True')))).resolves.toBeDefined();
    const refresh = { metadata: { annotations: { 'keystead.dev/refresh': '1' } } };
    await expect(here(patch('pod', 'mine', refresh))).resolves.toBeDefined();
  });

  it.each([
    ['the gate of a pod elsewhere', () => statusMerge('foreign', gate('True')), 'pods of its own node'],
    [
      'a pod elsewhere',
      () => patch('pod', 'foreign', { metadata: { annotations: { 'keystead.dev/refresh': '1' } } }),
      'pods of its own node',
    ],
    ['the deletion of a pod elsewhere', () => remove('pod', 'foreign'), 'pods of its own node'],
    [
      'another condition',
      () =>
        statusMerge('mine', {
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
        }),
      'nothing in a pod',
    ],
    ["the pod's phase", () => statusMerge('mine', { phase: 'Succeeded' }), 'nothing in a pod'],
    ['labels', () => patch('pod', 'mine', { metadata: { labels: { app: 'x' } } }), 'neither spec nor labels'],
    ['finalizers', () => patch('pod', 'mine', { metadata: { finalizers: ['a.test/b'] } }), 'neither spec nor labels'],
    [
      'another annotation',
      () => patch('pod', 'mine', { metadata: { annotations: { other: '1' } } }),
      'no annotation of a pod but',
    ],
    [
      'removal of an annotation',
      () => patch('pod', 'mine', { metadata: { annotations: { mine: null } } }),
      'no annotation of a pod but',
    ],
    [
      'the image',
      (): AgentRequest => ({
        ...patch('pod', 'mine', { spec: { containers: [{ name: 'c', image: 'images.keystead.dev/other' }] } }),
        type: 'strategic-merge-patch+json',
      }),
      'neither spec nor labels',
    ],
  ])('refuses %s', async (_what, call, message) => {
    await expect(here(call())).rejects.toThrow(message);
  });

  it('lets an agent delete a pod of its node', async () => {
    await agents.pod('evictable', devices[0]!);
    await expect(here(remove('pod', 'evictable'))).resolves.toBeDefined();
  });
});

describe('Secret', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const filled = (node: string, crt = 'certificate') => {
    return {
      metadata: { annotations: { 'keystead.dev/node': node } },
      data: { 'tls.crt': base64(crt), 'tls.key': base64('key') },
    };
  };
  const secret = async (name: string, labels: object, node?: string) => {
    await agents.admin(
      ['apply', '-f', '-'],
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls' },
        metadata: {
          name,
          namespace: agents.namespace,
          labels,
          ...(node && { annotations: { 'keystead.dev/node': node } }),
        },
        data: { 'tls.crt': node ? base64('held') : '', 'tls.key': '' },
      }),
    );
  };
  const ours = { 'keystead.dev/identity': 'm' };

  it('lets an agent fill and empty a Secret of an identity', async () => {
    await secret('free', ours);
    await expect(here(patch('secret', 'free', filled(devices[0]!)))).resolves.toBeDefined();
    await expect(here(patch('secret', 'free', filled(devices[0]!, '')))).resolves.toBeDefined();
  });

  it('lets an agent take over from another node by filling, not by emptying', async () => {
    await secret('held', ours, devices[1]);
    await expect(here(patch('secret', 'held', filled(devices[0]!, '')))).rejects.toThrow(
      'an agent empties a Secret that its own node',
    );
    await expect(here(patch('secret', 'held', filled(devices[0]!)))).resolves.toBeDefined();
  });

  it("refuses a Secret that is not Keystead's, and one filled in the name of another node", async () => {
    await secret('other', { app: 'other' });
    await expect(here(patch('secret', 'other', filled(devices[0]!)))).rejects.toThrow(
      'with the label keystead.dev/identity only',
    );
    await secret('free', ours);
    await expect(here(patch('secret', 'free', filled(devices[1]!)))).rejects.toThrow('in the name of its own node');
  });

  it('refuses to adopt a Secret by its label, and to let one go', async () => {
    await secret('other', { app: 'other' });
    const adopt = { metadata: { labels: ours, annotations: { 'keystead.dev/node': devices[0] } } };
    await expect(here(patch('secret', 'other', adopt))).rejects.toThrow('with the label keystead.dev/identity only');
    await secret('free', ours);
    const letGo = {
      metadata: { labels: { 'keystead.dev/identity': null }, annotations: { 'keystead.dev/node': devices[0] } },
    };
    await expect(here(patch('secret', 'free', letGo))).rejects.toThrow('neither labels nor owners');
  });

  it('lets an agent neither read nor make nor delete one', async () => {
    await secret('free', ours);
    await expect(here({ method: 'GET', path: `${PLURALS.secret()}/free` })).rejects.toThrow('forbidden');
    await expect(here({ method: 'POST', path: PLURALS.secret(), body: { metadata: { name: 'new' } } })).rejects.toThrow(
      'forbidden',
    );
    await expect(here(remove('secret', 'free'))).rejects.toThrow('forbidden');
  });
});

describe('the policies', () => {
  it('have no warning from the API server about their expressions', async () => {
    const list = JSON.parse(await agents.admin(['get', 'validatingadmissionpolicies', '-o', 'json'])) as {
      items: { metadata: { name: string }; status?: { typeChecking?: { expressionWarnings?: unknown[] } } }[];
    };
    const own = list.items.filter(({ metadata }) => metadata.name.startsWith(`${agents.id}-`));
    expect(own).toHaveLength(4);
    expect(own.flatMap(({ status }) => status?.typeChecking?.expressionWarnings ?? [])).toEqual([]);
  });
});
