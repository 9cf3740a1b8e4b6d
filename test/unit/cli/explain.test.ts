// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import { decide } from '../../../src/attest/decide.ts';
import type { Evidence } from '../../../src/attest/port.ts';
import { explainPages } from '../../../src/bin/agent/explain.ts';
import type { Cluster } from '../../../src/cli/port.ts';
import { explanationOfProcess } from '../../../src/identity/explanation.ts';
import type { Holding } from '../../../src/identity/holding.ts';
import type { KubeObject, ObjectName, Resource } from '../../../src/kube/index.ts';
import { collectionPath } from '../../../src/kube/resource.ts';
import { standIn } from '../../../src/identity/host-module.ts';
import { aHostModule, aModule } from '../../fakes/declared.ts';
import { processWithout } from '../attest/evidence.ts';
import { fakeCluster, NOW, run } from './fakes.ts';
import { HEALTHY, pod } from './objects.ts';

const DENIED: Holding = {
  podUid: 'uid-press-0',
  namespace: 'factory',
  pod: 'press-0',
  verdict: 'Denied',
  refusal: { reason: 'ImageDigestMismatch', message: 'expected a, found b; deploy a' },
  since: NOW - 120_000,
  judgedAt: NOW - 5_000,
  table: [
    { rule: 'ContainerKnown', outcome: 'Held', message: 'container main' },
    { rule: 'ImageDigest', outcome: 'Failed', message: 'expected a, found b; deploy a' },
    { rule: 'CodeFromImage', outcome: 'NotReached', message: 'not judged, as ImageDigest failed' },
  ],
  container: {
    id: 'containerd://c1',
    name: 'main',
    podUid: 'uid-press-0',
    image: { reference: 'registry/press:1', manifest: 'sha256:b', config: 'sha256:c' },
    uid: 0,
    gid: 0,
  },
  identities: ['press'],
  issued: new Map(),
  refused: new Map(),
};
const { refusal: _refusal, ...undenied } = DENIED;
const ALLOWED: Holding = {
  ...undenied,
  verdict: 'Allowed',
  process: { pid: 4711, startTime: '1', executable: { path: '/bin/press', sha256: 'ee' } },
  issued: new Map([['press', { serial: '0a', notBefore: NOW, notAfter: NOW + 60_000, renewalTime: NOW, revision: 1 }]]),
};

/** A process of the node itself. */
const OUTSIDE = processWithout('containerId', { pid: 50, containerProblem: 'it is in no container of a pod' });
const NOWHERE = Object.fromEntries(Object.entries(OUTSIDE).filter(([part]) => part !== 'pod')) as unknown as Evidence;

/** A cluster whose proxy leads to the agent's pages, as the API server's does. */
function clusterWith(holding: Holding | undefined, asked: string[] = []): Cluster {
  const plain = fakeCluster(HEALTHY);
  const process = explanationOfProcess(NOWHERE, decide(NOWHERE), NOW);
  const pages = explainPages('node-1', {
    agent: { holding: (uid) => (uid === holding?.podUid ? holding : undefined) },
    workload: { explain: (pid) => Promise.resolve(pid === 50 ? process : undefined) },
  });
  const get = async (kind: Resource, name: ObjectName): Promise<KubeObject> => {
    if (!kind.plural.includes('/proxy/')) return plain.get(kind, name);
    asked.push(`${collectionPath(kind, name.namespace)}/${name.name}`);
    const page = kind.plural.endsWith('explain') ? '/explain/' : '/explain-process/';
    const { status, body } = await pages[page]!(name.name);
    if (status === 200) return JSON.parse(body) as KubeObject;
    throw new KeysteadError('NotFound', `GET /proxy: HTTP ${status} ${body.trim()}`);
  };
  return { ...plain, get: get as Cluster['get'] };
}

describe('keystead explain', () => {
  it("asks the agent on the pod's node through the API server", async () => {
    const asked: string[] = [];
    await run('explain pod/press-0 -n factory', { cluster: clusterWith(DENIED, asked) });
    expect(asked).toEqual(['/api/v1/namespaces/keystead-system/pods/agent-1%3A9464/proxy/explain/uid-press-0']);
  });

  it('shows every rule of a denied pod, with the evidence', async () => {
    const { exit, out } = await run('explain pod/press-0 -n factory', { cluster: clusterWith(DENIED), styled: true });
    expect(exit).toBe(0);
    expect(out).toContain(
      'pod factory/press-0 on node-1: <red>Denied</>, ImageDigestMismatch (since 2026-11-22T11:58:00Z',
    );
    expect(out).toContain('measured 5s ago');
    expect(out).toMatch(/ContainerKnown +<green>Held<\/>/);
    expect(out).toMatch(/ImageDigest +<red>Failed<\/>.*expected a, found b; deploy a/);
    expect(out).toMatch(/CodeFromImage +<dim>NotReached<\/>/);
    expect(out).toMatch(/manifest digest +sha256:b/);
  });

  it('shows what an allowed pod holds', async () => {
    const { out } = await run('explain press-0 --namespace factory', { cluster: clusterWith(ALLOWED) });
    expect(out).toContain('Allowed');
    expect(out).toMatch(/process +pid 4711 on the node/);
    expect(out).toMatch(/press +0a +in 1m/);
  });

  it.each(['pod/press-0', 'pod press-0', 'po/press-0', 'press-0'])('understands %s', async (operand) => {
    const { out } = await run(`explain ${operand} -n factory --json`, { cluster: clusterWith(ALLOWED) });
    expect(JSON.parse(out)).toMatchObject({ pod: 'factory/press-0', verdict: 'Allowed', table: { length: 3 } });
  });

  it('shows a module of the host on its node, by its EdgeModule', async () => {
    const module = aHostModule('updater');
    const { uid: podUid, namespace, name } = standIn(module, 'node-1').metadata;
    const process = { ...ALLOWED.process!, unit: 'updater.service' };
    const holding: Holding = { ...ALLOWED, podUid, namespace, pod: name, process };
    const asked: string[] = [];
    const cluster = clusterWith(holding, asked);
    const get = (kind: Resource, of: ObjectName): Promise<KubeObject> =>
      kind.kind === 'EdgeModule' ? Promise.resolve(module) : cluster.get(kind, of);
    const { exit, out } = await run('explain edgemodule/updater -n ns', { cluster: { ...cluster, get: get as never } });
    expect(exit).toBe(0);
    expect(asked).toEqual([expect.stringContaining(`/proxy/explain/${podUid}`)]);
    expect(out).toMatch(/^host module of namespace ns on node-1: Allowed/);
    expect(out).toMatch(/unit +updater.service/);
    expect(out).toMatch(/press +0a/);
    expect(out).not.toMatch(/config digest|^container /m);
    const inPods = (): Promise<KubeObject> => Promise.resolve(aModule('web'));
    const { err } = await run('explain emod/web -n ns', { cluster: { ...cluster, get: inPods as never } });
    expect(err).toContain('EdgeModule ns/web is a module in pods: explain one of those');
  });

  it('judges a process of the node, by its pid', async () => {
    const asked: string[] = [];
    const { exit, out } = await run('explain --pid 50', { cluster: clusterWith(undefined, asked) });
    expect(exit).toBe(0);
    expect(asked).toEqual(['/api/v1/namespaces/keystead-system/pods/agent-1%3A9464/proxy/explain-process/50']);
    expect(out).toContain('process 50 of no pod on edge-1: Denied, ContainerUnknown');
    expect(out).toMatch(
      /ContainerKnown +Failed +expected process 50 in one container, found that it is in no container/,
    );
    expect(out).toMatch(/PolicyWindow +NotReached/);
    expect(out).toMatch(/capabilities +CHOWN/);
    expect(out).toMatch(/lineage +First/);
    expect(out).not.toContain('IDENTITY');
  });

  it('says which process or node it means', async () => {
    const cluster = clusterWith(undefined);
    expect((await run('explain --pid 51', { cluster })).err).toContain('there is no process 51 on node node-1');
    expect((await run('explain --pid 51 --node other', { cluster })).err).toContain(
      'no agent of Keystead runs on node other',
    );
    expect((await run('explain --pid x', { cluster })).err).toContain('--pid expects the number of a process, found x');
    expect((await run('explain pod/x --pid 1', { cluster })).err).toContain('found both');
  });

  it('says what is missing', async () => {
    const nothing = await run('explain press-0 -n factory', { cluster: clusterWith(undefined) });
    expect(nothing).toMatchObject({ exit: 2 });
    expect(nothing.err).toContain('the agent on node node-1 says: the agent has judged no pod with this uid');
    const other = fakeCluster({ ...HEALTHY, pods: [pod('press-0', { node: 'node-2' })] });
    expect((await run('explain press-0 -n factory', { cluster: other })).err).toContain(
      'no agent of Keystead runs on node node-2',
    );
    const unscheduled = fakeCluster({ ...HEALTHY, pods: [{ ...pod('press-0'), spec: {} } as KubeObject] });
    expect((await run('explain press-0 -n factory', { cluster: unscheduled })).err).toContain('is on no node yet');
    const plain = fakeCluster(HEALTHY);
    const forbidden = (kind: Resource, name: ObjectName): Promise<KubeObject> =>
      kind.plural.includes('proxy')
        ? Promise.reject(new KeysteadError('PermissionDenied', 'pods/proxy is forbidden'))
        : plain.get(kind, name);
    const denied = await run('explain press-0 -n factory', { cluster: { ...plain, get: forbidden as Cluster['get'] } });
    expect(denied.err).toContain('you need the verb get on pods/proxy in namespace keystead-system');
  });
});
