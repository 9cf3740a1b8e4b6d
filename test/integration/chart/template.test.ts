// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { chartFile, only, parse, render, type Rendered } from './helm.ts';
import { DEMO, EVERYTHING } from './value-sets.ts';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly mountPropagation?: string;
  }[];
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
  readonly [field: string]: unknown;
}

const podSpec = (workload: Rendered): PodSpec => (workload['spec'] as { template: { spec: PodSpec } }).template.spec;
const nodePod = (objects: readonly Rendered[]): PodSpec => podSpec(only(objects, 'DaemonSet'));
const controllerPod = (objects: readonly Rendered[]): PodSpec => podSpec(only(objects, 'Deployment'));
const container = (pod: PodSpec, name: string): Container =>
  [...pod.containers, ...(pod.initContainers ?? [])].find((one) => one.name === name)!;
const environment = ({ env = [] }: Container) => Object.fromEntries(env.map(({ name, value }) => [name, value]));
const hostPath = (pod: PodSpec, name: string) => pod.volumes?.find((volume) => volume.name === name)?.hostPath?.path;

const ALLOCATION = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' };
const templatesOf = (objects: readonly Rendered[]): Record<string, string> =>
  (only(objects, 'ConfigMap', 'keystead-templates') as unknown as { data: Record<string, string> }).data;
const deviceTemplate = (objects: readonly Rendered[]): unknown => parse(templatesOf(objects)['device.yaml']!);

describe('with default values', () => {
  let objects: Rendered[];
  beforeAll(async () => {
    objects = await render();
  });

  it('makes a DaemonSet with two containers, a Deployment, a CSIDriver, the CRDs and their RBAC', () => {
    expect(nodePod(objects).containers.map(({ name }) => name)).toEqual(['agent', 'notary']);
    expect(controllerPod(objects).containers.map(({ name }) => name)).toEqual(['controller']);
    const kinds = Object.groupBy(objects, ({ kind }) => kind);
    expect(kinds['CustomResourceDefinition']).toHaveLength(4);
    expect(Object.keys(kinds).sort()).toEqual([
      ...['CSIDriver', 'ClusterRole', 'ClusterRoleBinding', 'CustomResourceDefinition', 'DaemonSet', 'Deployment'],
      ...['Role', 'RoleBinding', 'ServiceAccount', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
    ]);
  });

  it('labels everything and puts namespaced objects into the namespace of the release', () => {
    for (const { kind, metadata } of objects) {
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/part-of': 'keystead',
        'app.kubernetes.io/instance': 'keystead',
      });
      const clusterScoped = /^(Cluster|CSIDriver|Custom|ValidatingAdmission)/.test(kind);
      expect(metadata.namespace).toBe(clusterScoped ? undefined : 'system');
    }
  });

  it('gives no role a wildcard', () => {
    for (const role of objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')) {
      expect(JSON.stringify(role['rules'])).not.toContain('"*"');
    }
  });

  it('lets no agent read Secrets, make them, or write what is declared', () => {
    const { rules } = only(objects, 'ClusterRole', 'keystead-agent') as unknown as {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
    };
    const verbs = (resource: string) =>
      rules.filter(({ resources }) => resources.includes(resource)).flatMap((rule) => rule.verbs);
    expect(verbs('secrets')).toEqual(['patch']);
    for (const kind of ['edgedevices', 'edgemodules', 'moduleidentities', 'trustbundles']) {
      expect(verbs(kind)).toEqual(['list', 'watch']);
    }
    expect(rules.flatMap(({ resources }) => resources)).not.toContain('configmaps');
  });

  it('runs notary and controller restricted', () => {
    const restricted = {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    };
    const notary = container(nodePod(objects), 'notary');
    const controller = container(controllerPod(objects), 'controller');
    expect(notary.securityContext).toEqual({ ...restricted, runAsUser: 64646, runAsGroup: 64646 });
    expect(controller.securityContext).toEqual({ ...restricted, runAsUser: 64645, runAsGroup: 64645 });
    expect(controllerPod(objects)['hostPID']).toBeUndefined();
  });

  it('gives the API token to the agent and not to the notary', () => {
    const pod = nodePod(objects);
    expect(pod['automountServiceAccountToken']).toBe(false);
    const holders = [...pod.containers, ...(pod.initContainers ?? [])].filter(({ volumeMounts }) =>
      volumeMounts?.some(({ name, mountPath }) => name === 'api-token' || mountPath.includes('serviceaccount')),
    );
    expect(holders.map(({ name }) => name)).toEqual(['agent']);
  });

  it('shares nothing between agent and notary but the sockets', () => {
    const [agent, notary] = ['agent', 'notary'].map(
      (name) => new Set(container(nodePod(objects), name).volumeMounts?.map((mount) => mount.name)),
    );
    expect([...agent!].filter((name) => notary!.has(name))).toEqual(['notary-socket']);
  });

  it('uses the environment that the processes read', () => {
    const pod = nodePod(objects);
    expect(environment(container(pod, 'agent'))).toEqual({
      KEYSTEAD_NODE_NAME: undefined,
      KEYSTEAD_KUBELET_ROOT: '/var/lib/kubelet',
      KEYSTEAD_CONTAINERD_SOCKET: '/host/runtime/containerd.sock',
      KEYSTEAD_NRI_SOCKET: '/host/nri/nri.sock',
      KEYSTEAD_STATE_DIR: '/var/lib/keystead/agent',
      KEYSTEAD_HOST_MODULES: '',
      KEYSTEAD_NOTARY_SOCKET: '/run/keystead/notary.sock',
      KEYSTEAD_NOTARY_HEALTH: '/run/keystead/notary-health.sock',
      KEYSTEAD_HOST_ROOT: '/host/root',
      KEYSTEAD_HEALTH_PORT: '9464',
      KEYSTEAD_LOG_LEVEL: 'info',
      ...ALLOCATION,
    });
    expect(environment(container(pod, 'notary'))).toEqual({
      ...ALLOCATION,
      KEYSTEAD_NOTARY_SOCKET: '/run/keystead/notary.sock',
      KEYSTEAD_NOTARY_HEALTH: '/run/keystead/notary-health.sock',
      KEYSTEAD_NOTARY_STATE: '/var/lib/keystead/notary',
      KEYSTEAD_NOTARY_SANDBOX: 'strict',
      KEYSTEAD_AGENT_UID: '0',
      KEYSTEAD_LOG_LEVEL: 'info',
    });
    expect(environment(container(controllerPod(objects), 'controller'))).toEqual({
      KEYSTEAD_NAMESPACE: undefined,
      KEYSTEAD_POD_NAME: undefined,
      KEYSTEAD_HEALTH_PORT: '9464',
      KEYSTEAD_LOG_LEVEL: 'info',
      ...ALLOCATION,
    });
  });

  it('has no software token', () => {
    expect(JSON.stringify(objects.filter(({ kind }) => kind !== 'CustomResourceDefinition'))).not.toMatch(/softhsm/i);
  });

  it('lets the kubelet pass fsGroup on instead of applying it', () => {
    expect(only(objects, 'CSIDriver')['spec']).toMatchObject({
      attachRequired: false,
      podInfoOnMount: true,
      volumeLifecycleModes: ['Ephemeral'],
      fsGroupPolicy: 'None',
    });
  });
});

describe('CRDs', () => {
  const crds = async (values: object) =>
    (await render(values)).filter(({ kind }) => kind === 'CustomResourceDefinition');

  it('are those of the tree, kept on uninstall', async () => {
    for (const crd of await crds({})) {
      expect(crd.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
      const file = readdirSync(chartFile('files/crds')).find((name) =>
        name.includes(crd.metadata.name.split('.')[0]!),
      )!;
      const source = parse(readFileSync(chartFile('files/crds', file), 'utf8')) as Rendered;
      expect(crd['spec']).toEqual(source['spec']);
    }
  });

  it('go with the release where that is wanted', async () => {
    expect((await crds({ crds: { keep: false } }))[0]?.metadata.annotations).toBeUndefined();
  });

  it('can be left out', async () => expect(await crds({ crds: { install: false } })).toEqual([]));
});

describe('values reach what they are for', () => {
  it.each([
    [{}, 'keystead/keystead:0.1.0'],
    [{ registry: 'r.test:5000', tag: '2' }, 'r.test:5000/keystead/keystead:2'],
    [{ digest: `sha256:${'a'.repeat(64)}` }, `keystead/keystead@sha256:${'a'.repeat(64)}`],
    [{ repository: 'a/b', tag: '2', digest: `sha256:${'a'.repeat(64)}` }, `a/b:2@sha256:${'a'.repeat(64)}`],
  ])('image %j is %s', async (image, reference) => {
    const objects = await render({ image, softhsm: { enabled: true } });
    const pods = [nodePod(objects), controllerPod(objects)];
    const images = pods.flatMap((pod) => [...pod.containers, ...(pod.initContainers ?? [])]).map((one) => one.image);
    expect(new Set(images)).toEqual(new Set([reference]));
  });

  it("takes another kubelet's root, k3s' sockets and another state folder", async () => {
    const pod = nodePod(
      await render({
        kubeletRoot: '/var/lib/k0s/kubelet',
        stateDir: '/data/keystead',
        runtime: {
          socket: '/run/k3s/containerd/containerd.sock',
          root: '/var/lib/rancher/k3s/agent/containerd',
          nriSocket: '',
        },
      }),
    );
    const agent = container(pod, 'agent');
    expect(hostPath(pod, 'kubelet')).toBe('/var/lib/k0s/kubelet');
    expect(agent.volumeMounts).toContainEqual({
      name: 'kubelet',
      mountPath: '/var/lib/k0s/kubelet',
      mountPropagation: 'Bidirectional',
    });
    expect(hostPath(pod, 'runtime')).toBe('/run/k3s/containerd');
    expect(hostPath(pod, 'runtime-root')).toBe('/var/lib/rancher/k3s/agent/containerd');
    expect(agent.volumeMounts).toContainEqual({
      name: 'runtime-root',
      mountPath: '/host/root/var/lib/rancher/k3s/agent/containerd',
      readOnly: true,
    });
    expect(hostPath(pod, 'nri')).toBeUndefined();
    expect(environment(agent)).toMatchObject({
      KEYSTEAD_KUBELET_ROOT: '/var/lib/k0s/kubelet',
      KEYSTEAD_CONTAINERD_SOCKET: '/host/runtime/containerd.sock',
      // Set, and empty: unset would mean the default path.
      KEYSTEAD_NRI_SOCKET: '',
    });
    expect([hostPath(pod, 'agent-state'), hostPath(pod, 'notary-state')]).toEqual([
      '/data/keystead/agent',
      '/data/keystead/notary',
    ]);
  });

  it('makes a software token with a PIN of its own on each node, and says so', async () => {
    const objects = await render(DEMO);
    const pod = nodePod(objects);
    expect(pod.initContainers?.map(({ name }) => name)).toEqual(['state-dir', 'software-token']);
    expect(hostPath(pod, 'pin')).toBe('/var/lib/keystead/pin');
    expect(environment(container(pod, 'notary'))).toHaveProperty(
      'SOFTHSM2_CONF',
      '/etc/keystead/softhsm/softhsm2.conf',
    );
    expect(deviceTemplate(objects)).toMatchObject({
      kind: 'EdgeDevice',
      spec: {
        trustDomain: 'edge.test',
        rootOfTrust: {
          pkcs11: {
            library: '/usr/lib/softhsm/libsofthsm2.so',
            tokenLabel: 'keystead',
            pinFile: '/etc/keystead/pin/pin',
          },
        },
      },
    });
    expect(parse(templatesOf(objects)['trust-bundle.yaml']!)).toMatchObject({
      kind: 'TrustBundle',
      metadata: { name: 'edge.test' },
      spec: { trustDomain: 'edge.test', sources: [{ devices: {} }] },
    });
    expect(environment(container(controllerPod(objects), 'controller'))).toMatchObject({
      KEYSTEAD_DEVICE_TEMPLATE: '/etc/keystead/templates/device.yaml',
    });
  });

  it('mounts the PIN Secret and the vendor library into the notary alone', async () => {
    const pod = nodePod(await render(EVERYTHING));
    const mounting = (volume: string) =>
      pod.containers.filter(({ volumeMounts }) => volumeMounts?.some(({ name }) => name === volume));
    for (const volume of ['pin', 'issuer', 'pkcs11-library', 'pkcs11-0', 'pkcs11-1']) {
      expect(mounting(volume).map(({ name }) => name)).toEqual(['notary']);
    }
    expect(pod.volumes).toContainEqual({
      name: 'pin',
      secret: {
        secretName: 'pin',
        defaultMode: 0o440,
        items: [
          { key: 'user-pin', path: 'pin' },
          { key: 'owner', path: 'owner' },
        ],
      },
    });
    expect(container(pod, 'notary').volumeMounts).toContainEqual({ name: 'pkcs11-0', mountPath: '/dev/bus/usb' });
  });

  it('adds what is optional', async () => {
    const objects = await render(EVERYTHING);
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(names).toEqual(
      expect.arrayContaining([
        'PodDisruptionBudget keystead-controller',
        'NetworkPolicy keystead',
        'Service keystead-metrics',
        'PodMonitor keystead-node',
        'PodMonitor keystead-controller',
      ]),
    );
    for (const { metadata } of objects) expect(metadata.labels).toHaveProperty('team', 'edge');
  });

  it('makes EdgeDevices for chosen nodes', async () => {
    const nodeSelector = { 'keystead.dev/hsm': 'yes', zone: 'a' };
    const pod = controllerPod(await render({ ...DEMO, device: { ...DEMO.device, nodeSelector } }));
    expect(environment(container(pod, 'controller'))).toHaveProperty(
      'KEYSTEAD_DEVICE_NODES',
      'keystead.dev/hsm=yes,zone=a',
    );
  });

  it('keeps resource names within their limit', async () => {
    const objects = await render({ fullnameOverride: 'x'.repeat(80) });
    for (const { metadata } of objects) expect(metadata.name.length).toBeLessThanOrEqual(63);
  });
});

describe('a release whose name looks like a number', () => {
  it.each(['123456', '12e345'])('%s has labels that are texts', async (name) => {
    const objects = await render({}, 'system', name);
    const instances = objects.map(({ metadata }) => metadata.labels['app.kubernetes.io/instance']);
    expect(new Set(instances.filter((instance) => instance !== undefined))).toEqual(new Set([name]));
  });
});
