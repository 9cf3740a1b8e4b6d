// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { EdgeModules } from '../../../controllers/edge-module.ts';
import { ModuleWorkload } from '../../../controllers/module-workload.ts';
import { StatusWriter } from '../../../controllers/status-writer.ts';
import { MODULE_LABEL } from '../../../src/api/names.ts';
import type { Pod } from '../../../src/api/pod.ts';
import { edgeModules } from '../../../src/api/resources.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { ApiError } from '../../../src/kube/api-error.ts';
import type { DaemonSet, Deployment } from '../../../src/kube/kinds.ts';
import { standIn } from '../../../src/identity/host-module.ts';
import type { KubeObject } from '../../../src/kube/resource.ts';
import { aHostModule, aModule, anIdentity, aPod, aSelector } from '../../fakes/declared.ts';
import { FakeCache } from '../../fakes/cluster.ts';

interface Written {
  readonly kind: string;
  readonly object: KubeObject & {
    readonly spec?: { readonly replicas?: number };
    readonly status?: EdgeModule['status'];
  };
  readonly force: boolean | undefined;
}

let now: number;
let writes: Written[];
let deletions: string[];
let occurrences: string[];
let failure: ApiError | undefined;
let modules: FakeCache<EdgeModule>;
let identities: FakeCache<ModuleIdentity>;
let pods: FakeCache<Pod & KubeObject>;
let devices: FakeCache<EdgeDevice>;
let deployments: FakeCache<Deployment>;
let daemonSets: FakeCache<DaemonSet>;
let reconciler: EdgeModules;

beforeEach(() => {
  now = Date.parse('2026-06-01T00:00:00Z');
  [writes, deletions, occurrences] = [[], [], []];
  failure = undefined;
  modules = new FakeCache<EdgeModule>([], {
    namespace: ({ metadata }) => [metadata.namespace ?? ''],
    selecting: ({ metadata, spec }) => (spec.selector ? [metadata.namespace ?? ''] : []),
  });
  identities = new FakeCache<ModuleIdentity>([], { module: ({ spec }) => [`ns/${spec.moduleRef.name}`] });
  pods = new FakeCache<Pod & KubeObject>([], {
    namespace: ({ metadata }) => [metadata.namespace],
    module: ({ metadata }) => [`ns/${metadata.labels?.[MODULE_LABEL] ?? ''}`],
  });
  devices = new FakeCache();
  deployments = new FakeCache();
  daemonSets = new FakeCache();
  const apply = (of: { kind: string }, object: KubeObject, options: { force?: boolean }): Promise<KubeObject> => {
    if (failure && of.kind !== 'EdgeModule') return Promise.reject(failure);
    writes.push({ kind: of.kind, object: object, force: options.force });
    const metadata = { ...object.metadata, uid: `uid-of-${of.kind}`, generation: 1 };
    return Promise.resolve({ ...object, metadata });
  };
  const client = {
    apply: apply as never,
    delete: (_: unknown, { name }: { name: string }) => Promise.resolve(deletions.push(name) > 0),
  };
  const events = { emit: (_: unknown, __: unknown, { reason }: { reason: string }) => void occurrences.push(reason) };
  reconciler = new EdgeModules({
    clock: { now: () => now },
    status: new StatusWriter({ client, events }, edgeModules, { action: 'Deploying' }),
    workload: new ModuleWorkload({ client, modules, deployments, daemonSets }),
    modules,
    identities,
    pods,
    devices,
  });
  identities.put(anIdentity('web'));
});

const OWNED = { namespace: 'ns', name: 'web', uid: 'uid-of-Deployment', generation: 1 };
const owned = (more: Partial<Deployment> = {}, metadata: object = {}): Deployment => ({
  metadata: {
    ...OWNED,
    ownerReferences: [{ apiVersion: '', kind: 'EdgeModule', name: 'web', uid: 'uid-web' }],
    ...metadata,
  },
  spec: { replicas: 1, selector: {}, template: { spec: { containers: [] } } },
  ...more,
});
const deployed = (): string | undefined =>
  writes
    .findLast(({ kind }) => kind === 'EdgeModule')
    ?.object.status?.conditions?.find(({ type }) => type === 'Deployed')?.reason;
const workloads = (): Written[] => writes.filter(({ kind }) => kind !== 'EdgeModule');

describe('a module', () => {
  it('gets its workload and its status, and nothing more when nothing changes', async () => {
    modules.put(aModule('web'));
    await reconciler.reconcile('ns/web');
    expect(writes.map(({ kind, force }) => [kind, force])).toEqual([
      ['Deployment', false],
      ['EdgeModule', undefined],
    ]);
    deployments.put(owned());
    await reconciler.reconcile('ns/web');
    await reconciler.reconcile('ns/web');
    expect(workloads()).toHaveLength(1);
  });

  it('writes its workload again when somebody else changed it, and takes fields back', async () => {
    modules.put(aModule('web'));
    await reconciler.reconcile('ns/web');
    deployments.put(owned({}, { generation: 2 }));
    await reconciler.reconcile('ns/web');
    expect(workloads().map(({ force }) => force)).toEqual([false, true]);
  });

  it('waits a moment for an identity, but not for long', async () => {
    identities.remove('ns/web');
    modules.put(aModule('web'));
    const { requeueAfterMs = 0 } = await reconciler.reconcile('ns/web');
    expect(requeueAfterMs).toBeGreaterThan(1000);
    expect(writes).toEqual([]);
    now += requeueAfterMs;
    await reconciler.reconcile('ns/web');
    expect(workloads()).toHaveLength(1);
  });

  it('never touches a workload of its name that is not its own', async () => {
    modules.put(aModule('web'));
    deployments.put(owned({}, { ownerReferences: [] }));
    await reconciler.reconcile('ns/web');
    expect(workloads()).toEqual([]);
    expect(deployed()).toBe('NameTaken');
    expect(occurrences).toContain('NameTaken');
  });

  it('does not take one over either that appears in the very moment of writing', async () => {
    modules.put(aModule('web'));
    failure = new ApiError({ code: 409, reason: 'Conflict' }, 'PATCH');
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('NameTaken');
  });

  it('says what Kubernetes refuses, and tries again what it could not do', async () => {
    modules.put(aModule('web'));
    failure = new ApiError({ code: 422, reason: 'Invalid', message: 'ports[0]' }, 'PATCH');
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('WorkloadRejected');
    failure = new ApiError({ code: 500 }, 'PATCH');
    await expect(reconciler.reconcile('ns/web')).rejects.toBe(failure);
  });

  it('removes its DaemonSet while it is stopped', async () => {
    const template = { ...aModule('web').spec.template!, kind: 'DaemonSet' as const };
    modules.put(aModule('web', { template, desiredState: 'Stopped' }));
    daemonSets.put(owned());
    await reconciler.reconcile('ns/web');
    expect(deletions).toEqual(['web']);
    expect(deployed()).toBe('Stopped');
  });

  it('that runs is not held back by one of lower order that fails', async () => {
    modules.put(aModule('base', { startupOrder: 0 }));
    modules.put(aModule('web', { startupOrder: 1 }));
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('WaitingForLowerOrder');
    deployments.put(owned());
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('Deployed');
    deployments.put(owned({ spec: { replicas: 0, selector: {}, template: { spec: { containers: [] } } } }));
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('WaitingForLowerOrder');
  });

  it('does nothing once it is gone or going', async () => {
    await reconciler.reconcile('ns/web');
    modules.put(aModule('web', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' }));
    await reconciler.reconcile('ns/web');
    expect(writes).toEqual([]);
  });

  it('does not repeat itself while the cache has not seen its last write', async () => {
    modules.put(aModule('web'));
    await reconciler.reconcile('ns/web');
    now += 5000;
    await reconciler.reconcile('ns/web');
    expect(writes.filter(({ kind }) => kind === 'EdgeModule')).toHaveLength(1);
  });
});

describe('a selector module', () => {
  const attested = (): string | undefined =>
    writes
      .findLast(({ kind }) => kind === 'EdgeModule')
      ?.object.status?.conditions?.find(({ type }) => type === 'Attested')?.reason;

  it('has no workload, and counts the pods that it finds', async () => {
    modules.put(aSelector('web', { app: 'web' }));
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('NoPods');
    pods.put(aPod('one', { app: 'web' }));
    pods.put(aPod('two', { app: 'other' }));
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('PodsFound');
    expect(workloads()).toEqual([]);
    expect(writes.at(-1)?.object.status).toMatchObject({ desired: 1 });
  });

  it.each(['web', 'thief'])('that claims a pod of another makes both ambiguous: %s', async (name) => {
    modules.put(aModule('web'));
    modules.put(aSelector('thief', { app: 'web' }));
    pods.put(aPod('one', { app: 'web', [MODULE_LABEL]: 'web' }));
    deployments.put(owned());
    await reconciler.reconcile(`ns/${name}`);
    expect(attested()).toBe('ModuleAmbiguous');
  });
});

describe('a module of the host', () => {
  const device = (name: string): EdgeDevice => ({ metadata: { name, labels: {} } }) as unknown as EdgeDevice;
  const status = () => writes.findLast(({ kind }) => kind === 'EdgeModule')?.object.status;
  const module = aHostModule('web');

  function hold(node: string, verdict: 'Allowed' | 'Denied'): void {
    const { uid: podUid, name: pod } = standIn(module, node).metadata;
    const holder = { podUid, pod, node, verdict, since: '2026-06-01T00:00:00Z', reason: 'UnitMismatch', message: 'no' };
    const before = identities.get('ns/web')!;
    identities.put({ ...before, status: { holders: [...(before.status?.holders ?? []), holder] } });
  }

  it('is wanted on each node that it names, and ready where its process holds the identity', async () => {
    modules.put(module);
    devices.put(device('line-4'));
    devices.put(device('line-5'));
    hold('line-4', 'Allowed');
    await reconciler.reconcile('ns/web');
    expect(workloads()).toEqual([]);
    expect(deployed()).toBe('NodesFound');
    expect(status()).toMatchObject({ desired: 2, attested: 1, denials: [] });
    hold('line-5', 'Denied');
    await reconciler.reconcile('ns/web');
    expect(status()).toMatchObject({ attested: 1, denials: [{ pod: 'node/line-5', reason: 'UnitMismatch' }] });
    expect(status()?.conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'False' }));
  });

  it('says that no node is meant', async () => {
    modules.put(aHostModule('web', { nodeNames: ['line-9'], deviceSelector: undefined } as never));
    devices.put(device('line-4'));
    await reconciler.reconcile('ns/web');
    expect(deployed()).toBe('NoNodes');
  });
});
