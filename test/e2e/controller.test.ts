// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { selfSigned } from '../fakes/certificates.ts';
import { Controllers, type Running } from './controller-process.ts';
import { Scene, until } from './harness.ts';

/*
 * The controller from source, on the real API server, with no more rights than the table in controllers/index.ts
 * gives it. The installed controller may run beside it: both want the same.
 */
const scene = new Scene('controller');
const LIMIT = 120_000;
/** Nobody listens there, so that the kubelet has its answer at once. */
const NOWHERE = '127.0.0.1:1/none';
const NEVER = `${NOWHERE}@sha256:${'e'.repeat(64)}`;
const clusterName = scene.namespace;
const controllers = new Controllers(scene);

type Deployment = KubeObject & {
  readonly metadata: { readonly uid: string; readonly ownerReferences?: unknown[] };
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly spec: { readonly containers: { image: string }[] } };
  };
};
type ConfigMap = KubeObject & { readonly data?: Record<string, string> };

let first: Running;
let second: Running;
let anchor: string;

beforeAll(async () => {
  anchor = await selfSigned('e2e anchor');
  await scene.open();
  await controllers.grant();
  first = controllers.start('first');
  await leads('first');
  second = controllers.start('second');
}, LIMIT);

afterAll(async () => {
  await controllers.close();
  await scene.kubectl.run(['delete', 'trustbundle', clusterName, '--ignore-not-found']);
  await scene.leave();
}, 180_000);

const leads = (name: string): Promise<true> =>
  until(`${name} leads`, 40, async () => {
    const lease = await scene.find<KubeObject & { spec?: { holderIdentity?: string } }>('lease', 'candidates');
    const holder = lease?.spec?.holderIdentity ?? '';
    return holder.startsWith(`${name}_`) ? (true as const) : `held by "${holder}"`;
  });

/** A module that never becomes ready, as its image does not exist; nothing here needs it to. */
const module = (name: string, spec: object = {}, pod: object = {}): object =>
  scene.object('EdgeModule', name, {
    template: { pod: { spec: { containers: [{ name: 'main', image: NEVER }], ...pod } } },
    ...spec,
  });

const because = (kind: string, name: string, type: string, reason: string): Promise<string> =>
  until(`${kind} ${name} ${type} ${reason}`, 60, async () => {
    type Reported = KubeObject & { status?: { conditions?: { type: string; reason: string; message: string }[] } };
    const found = await scene.find<Reported>(kind, name);
    const condition = found?.status?.conditions?.find((each) => each.type === type);
    return condition?.reason === reason ? { message: condition.message } : JSON.stringify(condition ?? 'no condition');
  }).then(({ message }) => message);

const gone = (kind: string, name: string): Promise<true> =>
  until(`${kind} ${name} is gone`, 60, async () => ((await scene.find(kind, name)) ? 'still there' : (true as const)));

const deployment = (name: string, fits: (found: Deployment) => boolean): Promise<Deployment> =>
  until(`Deployment ${name}`, 60, async () => {
    const found = await scene.find<Deployment>('deployment', name);
    return found && fits(found) ? found : JSON.stringify(found?.spec ?? 'absent');
  });

describe('a module', () => {
  it(
    'with a bare tag is refused, and pinned where images gives the digest',
    async () => {
      const pod = { containers: [{ name: 'main', image: `${NOWHERE}:1` }] };
      await expect(scene.apply(module('tagged', {}, pod))).rejects.toThrow('every image must be pinned');
      const images = [{ name: `${NOWHERE}:1`, digest: `sha256:${'e'.repeat(64)}` }];
      await scene.apply(module('tagged', { images }, pod));
      const { spec } = await deployment('tagged', () => true);
      expect(spec.template.spec.containers[0]?.image).toBe(NEVER);
    },
    LIMIT,
  );

  it(
    'never takes over a Deployment of its name, and goes on once that is gone',
    async () => {
      const labels = { app: 'foreign' };
      const template = { metadata: { labels }, spec: { containers: [{ name: 'x', image: NEVER }] } };
      const spec = { replicas: 0, selector: { matchLabels: labels }, template };
      await scene.apply({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace: scene.namespace, name: 'taken' },
        spec,
      });
      const foreign = await deployment('taken', () => true);
      await scene.apply(module('taken'));
      expect(await because('edgemodule', 'taken', 'Deployed', 'NameTaken')).toContain('Delete or rename it');
      const untouched = await deployment('taken', () => true);
      expect(untouched.metadata.uid).toBe(foreign.metadata.uid);
      expect(untouched.metadata.ownerReferences).toBeUndefined();
      await until('an Event', 30, async () => {
        const events = await scene.run('get', 'events', '--field-selector=reason=NameTaken', '-o', 'name');
        return events.trim() === '' ? 'none' : (true as const);
      });
      await scene.run('delete', 'deployment', 'taken');
      await because('edgemodule', 'taken', 'Deployed', 'Deployed');
    },
    LIMIT,
  );

  it(
    'whose template Kubernetes refuses says why',
    async () => {
      const pod = { containers: [{ name: 'main', image: NEVER, ports: [{ containerPort: 99_999 }] }] };
      await scene.apply(module('rejected', {}, pod));
      expect(await because('edgemodule', 'rejected', 'Deployed', 'WorkloadRejected')).toContain('99999');
    },
    LIMIT,
  );

  it(
    'waits for those of lower order, but not for stopped ones',
    async () => {
      await scene.apply(module('base', { startupOrder: 1 }), module('top', { startupOrder: 2 }));
      expect(await because('edgemodule', 'top', 'Deployed', 'WaitingForLowerOrder')).toContain('base (order 1)');
      expect(await scene.find('deployment', 'top')).toBeUndefined();
      await scene.apply(module('base', { startupOrder: 1, desiredState: 'Stopped' }));
      await because('edgemodule', 'top', 'Deployed', 'Deployed');
      await deployment('base', ({ spec }) => spec.replicas === 0);
      await because('edgemodule', 'base', 'Ready', 'Stopped');
      // All other modules have the highest order: they would wait for this one.
      await scene.run('delete', 'edgemodule', 'top', 'base');
    },
    LIMIT,
  );

  it(
    'of kind DaemonSet has none while it is stopped',
    async () => {
      const template = { kind: 'DaemonSet', pod: { spec: { containers: [{ name: 'main', image: NEVER }] } } };
      await scene.apply(module('daemon', { template }));
      await until('the DaemonSet', 60, async () => (await scene.find('daemonset', 'daemon')) ?? 'absent');
      await scene.apply(module('daemon', { template, desiredState: 'Stopped' }));
      await gone('daemonset', 'daemon');
      await because('edgemodule', 'daemon', 'Deployed', 'Stopped');
      await scene.apply(module('daemon', { template }));
      await until('the DaemonSet again', 60, async () => (await scene.find('daemonset', 'daemon')) ?? 'absent');
    },
    LIMIT,
  );

  it(
    'is set right when somebody changes its Deployment, and takes it along when it is deleted',
    async () => {
      await scene.apply(module('drift'));
      await deployment('drift', ({ spec }) => spec.replicas === 1);
      await scene.run('scale', 'deployment', 'drift', '--replicas=3');
      await deployment('drift', ({ spec }) => spec.replicas === 1);
      await scene.run('delete', 'edgemodule', 'drift', '--timeout=30s');
      await gone('deployment', 'drift');
    },
    LIMIT,
  );
});

describe('an identity', () => {
  it(
    'without a module says so',
    async () => {
      await scene.apply(scene.object('ModuleIdentity', 'orphan', { moduleRef: { name: 'nobody' } }));
      expect(await because('moduleidentity', 'orphan', 'Ready', 'ModuleNotFound')).toContain('nobody');
    },
    LIMIT,
  );

  it(
    'whose SPIFFE ID is taken waits until the older one is gone',
    async () => {
      const devices = JSON.parse(await scene.kubectl.run(['get', 'edgedevices', '-o', 'json'])) as {
        items: { spec: { trustDomain: string } }[];
      };
      const domain = devices.items[0]?.spec.trustDomain ?? '';
      const spiffeId = `spiffe://${domain}/ns/${scene.namespace}/shared`;
      const identity = (name: string): object =>
        scene.object('ModuleIdentity', name, { moduleRef: { name: 'held' }, spiffeId });
      await scene.apply(module('held'), identity('elder'));
      await because('moduleidentity', 'elder', 'Ready', 'NoHolder');
      // Ages count in whole seconds.
      await new Promise((resolve) => setTimeout(resolve, 1100));
      await scene.apply(identity('younger'));
      expect(await because('moduleidentity', 'younger', 'Ready', 'IdentityTaken')).toContain('elder');
      await scene.run('delete', 'moduleidentity', 'elder');
      await because('moduleidentity', 'younger', 'Ready', 'NoHolder');
    },
    LIMIT,
  );

  it(
    'has its Secret with the bundle before any pod, never another one, and takes it along',
    async () => {
      await scene.run('create', 'secret', 'generic', 'theirs', '--from-literal=a=b');
      await scene.apply(
        module('keeper'),
        scene.object('ModuleIdentity', 'keeper', { moduleRef: { name: 'keeper' }, delivery: ['Secret'] }),
        scene.object('ModuleIdentity', 'thief', {
          moduleRef: { name: 'keeper' },
          delivery: ['Secret'],
          secretName: 'theirs',
        }),
      );
      const secret = await until('the Secret', 60, async () => {
        const found = await scene.find<ConfigMap & { type: string }>('secret', 'keeper');
        return found?.data?.['ca.crt'] ? found : 'absent or without bundle';
      });
      expect(secret.type).toBe('kubernetes.io/tls');
      expect(Buffer.from(secret.data?.['ca.crt'] ?? '', 'base64').toString()).toContain('BEGIN CERTIFICATE');
      expect([secret.data?.['tls.crt'], secret.data?.['tls.key']]).toEqual(['', '']);
      await because('moduleidentity', 'thief', 'Delivered', 'SecretTaken');
      expect((await scene.find<ConfigMap>('secret', 'theirs'))?.data).toEqual({ a: 'Yg==' });
      await scene.run('delete', 'moduleidentity', 'keeper', '--timeout=30s');
      await gone('secret', 'keeper');
    },
    LIMIT,
  );
});

describe('a trust bundle', () => {
  const bundle = (sources: object[]): object => ({
    apiVersion: 'keystead.dev/v1alpha1',
    kind: 'TrustBundle',
    metadata: { name: clusterName },
    spec: {
      trustDomain: 'e2e.example.org',
      sources,
      targets: {
        configMap: { name: 'trust', namespaceSelector: { matchLabels: { 'e2e.keystead.dev/trust': clusterName } } },
        clusterTrustBundle: true,
      },
    },
  });

  it(
    'goes where its targets say, keeps its anchors through a wrong source, and leaves with its owner',
    async () => {
      await scene.apply(bundle([{ inline: { pem: anchor } }]));
      await because('trustbundle', clusterName, 'Ready', 'Ready');
      expect(await scene.find('configmap', 'trust')).toBeUndefined();

      await scene.kubectl.run(['label', 'namespace', scene.namespace, `e2e.keystead.dev/trust=${clusterName}`]);
      const written = await until(
        'the ConfigMap',
        60,
        async () => (await scene.find<ConfigMap>('configmap', 'trust')) ?? 'absent',
      );
      expect(written.data).toEqual({ 'ca.crt': anchor, 'trust-bundle.pem': anchor });
      const published = `keystead.dev:identity:${clusterName}`;
      await until('the ClusterTrustBundle', 60, async () => {
        type Published = KubeObject & { spec?: { signerName?: string; trustBundle?: string } };
        const found = await scene.find<Published>('clustertrustbundle', published);
        return found?.spec?.trustBundle === anchor ? found : 'absent';
      });

      await scene.run('patch', 'configmap', 'trust', '--type=merge', '-p', '{"data":{"ca.crt":"tampered"}}');
      await until('the ConfigMap set right', 60, async () => {
        const found = await scene.find<ConfigMap>('configmap', 'trust');
        return found?.data?.['ca.crt'] === anchor ? (true as const) : 'tampered';
      });

      await scene.apply(bundle([{ configMap: { namespace: scene.namespace, name: 'source', key: 'ca.pem' } }]));
      expect(await because('trustbundle', clusterName, 'Ready', 'SourceInvalid')).toContain('does not exist');
      expect((await scene.find<ConfigMap>('configmap', 'trust'))?.data?.['ca.crt']).toBe(anchor);

      const other = await selfSigned('e2e other');
      const metadata = { namespace: scene.namespace, name: 'source' };
      await scene.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'ca.pem': other } });
      await because('trustbundle', clusterName, 'Ready', 'Ready');
      await until('the other anchor alone', 60, async () => {
        const found = await scene.find<ConfigMap>('configmap', 'trust');
        return found?.data?.['ca.crt'] === other ? (true as const) : 'the old one';
      });

      await scene.kubectl.run(['label', 'namespace', scene.namespace, 'e2e.keystead.dev/trust-']);
      await gone('configmap', 'trust');
      await scene.run('create', 'configmap', 'trust', '--from-literal=mine=1');
      await scene.kubectl.run(['label', 'namespace', scene.namespace, `e2e.keystead.dev/trust=${clusterName}`]);
      await because('trustbundle', clusterName, 'Ready', 'ConfigMapTaken');
      expect((await scene.find<ConfigMap>('configmap', 'trust'))?.data).toEqual({ mine: '1' });

      await scene.kubectl.run(['delete', 'trustbundle', clusterName]);
      await gone('clustertrustbundle', published);
    },
    LIMIT,
  );
});

describe('of two controllers', () => {
  it(
    'one leads; the other takes over at once when it is stopped, and after the lease when it is killed',
    async () => {
      await leads('first');
      first.process.kill('SIGTERM');
      expect(await first.ended).toBe(0);
      const stoppedAt = Date.now();
      await leads('second');
      expect(Date.now() - stoppedAt).toBeLessThan(8_000);
      const log = first.log + second.log;
      first = controllers.start('third');
      second.process.kill('SIGKILL');
      await second.ended;
      await leads('third');
      second = controllers.start('fourth');
      // Everything above was done with the rights of the table alone. A namespace of another test may be on its way out.
      const refused = log.match(/^.*forbidden.*$/gim) ?? [];
      expect(refused.filter((line) => !line.includes('because it is being terminated'))).toEqual([]);
      expect(log.match(/^.*"level":(50|60).*$/gim) ?? []).toEqual([]);
    },
    LIMIT,
  );
});
