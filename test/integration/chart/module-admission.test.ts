// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../quickstart/kubectl.ts';
import { Cluster, type Example } from '../crds/cluster.ts';
import { readExample } from '../crds/examples.ts';
import { only, render } from './helm.ts';
import { BREAK_GLASS, Modules, PINNED } from './modules.ts';

let cluster: Cluster;
let modules: Modules;

beforeAll(async () => {
  cluster = await Cluster.open();
  modules = await Modules.open();
}, 120_000);

afterAll(async () => {
  await modules[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
}, 60_000);

const MODULE = { 'keystead.dev/module': 'm' };
const hostPath = (path: string) => ({ volumes: [{ name: 'host', hostPath: { path } }] });

describe('a module pod', () => {
  it('is let in as our workloads make it, and with what does no harm', async () => {
    await expect(modules.apply(modules.pod('good'))).resolves.toContain('created');
    const spec = hostPath('/dev/bus/usb');
    await expect(modules.apply(modules.pod('usb', { spec }))).resolves.toContain('created');
    const nearby = hostPath('/var/lib/kubelets');
    await expect(modules.apply(modules.pod('nearby', { spec: nearby }))).resolves.toContain('created');
  });

  const csi = { driver: 'csi.keystead.dev' };
  it.each([
    ['a tag', { container: { image: 'images.keystead.dev/module:1' } }, 'write image@sha256:<digest>'],
    ['a short digest', { container: { image: 'images.keystead.dev/module@sha256:abc' } }, /write image@|Invalid/],
    [
      'a tag on an init container',
      { spec: { initContainers: [{ name: 'first', image: 'images.keystead.dev/first:1' }] } },
      'container first of a module pod has an image without digest',
    ],
    ['hostPID', { spec: { hostPID: true } }, 'must not set hostPID'],
    ['the whole host', { spec: hostPath('/') }, 'hostPath / of a module pod reaches'],
    ['the kubelet root', { spec: hostPath('/var/lib/kubelet') }, 'reaches the sockets'],
    ['a folder above the kubelet root', { spec: hostPath('/var/lib/') }, 'reaches the sockets'],
    ["a neighbour's volume", { spec: hostPath('/var/lib/kubelet/pods/x/volumes') }, 'reaches the sockets'],
    ["the agent's state", { spec: hostPath('/var/lib/keystead') }, 'reaches the sockets'],
    ["the runtime's socket", { spec: hostPath('/run/containerd/containerd.sock') }, 'reaches the sockets'],
    ["the runtime's socket by its other name", { spec: hostPath('/var/run/containerd') }, 'reaches the sockets'],
    ["the node's processes", { spec: hostPath('/proc') }, 'reaches the sockets'],
    ['a guarded folder written oddly', { spec: hostPath('/var//lib/./kubelet') }, 'needless slashes'],
    ['a writable identity', { spec: { volumes: [{ name: 'i', csi }] } }, 'volume i of a module pod must be read-only'],
  ])('is refused with %s', async (_what, change, message) => {
    await expect(modules.apply(modules.pod('bad', change))).rejects.toThrow(message);
  });

  it('is one by its volume alone, and a pod with neither label nor volume is left alone', async () => {
    const hostPID = { hostPID: true };
    const labels = { app: 'x' };
    await expect(modules.apply(modules.pod('unlabelled', { labels, spec: hostPID }))).rejects.toThrow('hostPID');
    const spec = { ...hostPID, volumes: [] };
    await expect(modules.apply(modules.pod('other', { labels, spec }))).resolves.toContain('created');
  });

  it('cannot be given an image without digest later, and can another digest', async () => {
    await modules.apply(modules.pod('patched'));
    const image = (name: string) => modules.kubectl(['-n', modules.id, 'set', 'image', 'pod/patched', `main=${name}`]);
    await expect(image('images.keystead.dev/module:2')).rejects.toThrow('write image@sha256:<digest>');
    await expect(image(PINNED.replace(/a+$/, 'b'.repeat(64)))).resolves.toContain('updated');
  });

  describe('with what lets its containers reach into each other, or into the node,', () => {
    const sharing = { spec: { shareProcessNamespace: true } };
    const privileged = { container: { securityContext: { privileged: true } } };
    const named = (name: string, spec: object) => {
      const example = readExample('edge-module-selector', modules.id) as Example & { readonly spec: object };
      return { ...example, metadata: { name, namespace: modules.id }, spec: { ...example.spec, ...spec } };
    };
    const template = { pod: { spec: { containers: [{ name: 'main', image: PINNED }] } } };

    beforeAll(async () => {
      const allowing = { pod: { allowPrivileged: true, allowSharedProcessNamespace: true } };
      await modules.apply(named('m', { selector: null, images: [], template }));
      await modules.apply(named('free', { selector: null, images: [], template, ...allowing }));
      await modules.apply(named('historian', {}));
      await until('the parameters', 30, () =>
        modules.apply(modules.pod('probe', sharing)).then(
          () => modules.kubectl(['-n', modules.id, 'delete', 'pod', 'probe']).then(() => 'accepted'),
          (error: unknown) => String(error).includes('EdgeModule m') || String(error),
        ),
      );
    }, 60_000);

    it.each([
      ['shared processes', sharing, 'a pod of EdgeModule m must not set shareProcessNamespace'],
      ['a privileged container', privileged, 'container main of a pod of EdgeModule m is privileged'],
    ])('%s, is refused where its EdgeModule does not allow it', async (_what, change, message) => {
      await expect(modules.apply(modules.pod('bad', change))).rejects.toThrow(message);
    });

    it('is refused as well where a selector claims it', async () => {
      const labels = { app: 'historian', tier: 'edge' };
      await expect(modules.apply(modules.pod('bad', { ...sharing, labels }))).rejects.toThrow('EdgeModule historian');
      const canary = { ...labels, canary: 'true' };
      await expect(modules.apply(modules.pod('canary', { ...sharing, labels: canary }))).resolves.toContain('created');
    });

    it('is let in where its EdgeModule allows it', async () => {
      const labels = { 'keystead.dev/module': 'free' };
      await expect(modules.apply(modules.pod('shared', { ...sharing, labels }))).resolves.toContain('created');
      await expect(modules.apply(modules.pod('mighty', { ...privileged, labels }))).resolves.toContain('created');
    });
  });

  it('made before the policies can still be labelled and deleted', async () => {
    const { off } = modules.namespaces;
    await modules.apply(modules.pod('old', { namespace: off, spec: { hostPID: true } }));
    await modules.kubectl(['label', 'namespace', off, `${modules.id}.keystead.dev/admission-`]);
    await expect(modules.apply(modules.pod('new', { namespace: off, spec: { hostPID: true } }))).rejects.toThrow(
      'hostPID',
    );
    await expect(modules.kubectl(['-n', off, 'label', 'pod', 'old', 'team=edge'])).resolves.toContain('labeled');
    await expect(modules.kubectl(['-n', off, 'delete', 'pod', 'old'])).resolves.toContain('deleted');
  });
});

describe('what says that a pod is trusted', () => {
  const label = (value: string, as: readonly string[] = []) =>
    modules.kubectl(['-n', modules.id, 'label', '--overwrite', 'pod', 'marked', `keystead.dev/module${value}`, ...as]);
  const gate = (type: string, as: readonly string[] = []) => {
    const conditions = [{ type, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const patch = ['-p', JSON.stringify({ status: { conditions } })];
    return modules.kubectl(['-n', modules.id, 'patch', 'pod', 'marked', '--subresource=status', ...patch, ...as]);
  };

  beforeAll(async () => {
    await modules.apply(modules.pod('marked'));
  });

  it('the label of a running pod changes for nobody but a break-glass group', async () => {
    await expect(label('=another')).rejects.toThrow('by it the pod belongs to its module');
    await expect(label('-')).rejects.toThrow('by it the pod belongs to its module');
    const patch = ['--subresource=status', '-p', '{"metadata":{"labels":{"keystead.dev/module":"another"}}}'];
    await expect(modules.kubectl(['-n', modules.id, 'patch', 'pod', 'marked', ...patch])).rejects.toThrow('belongs');
    await expect(label('=m', BREAK_GLASS)).resolves.toBeDefined();
    await expect(label('=another', BREAK_GLASS)).resolves.toContain('labeled');
  });

  it('the readiness gate is set by the agent alone, other conditions by others as ever', async () => {
    await expect(gate('keystead.dev/attested')).rejects.toThrow("only Keystead's agent says");
    await expect(gate('keystead.dev/attested', BREAK_GLASS)).rejects.toThrow("only Keystead's agent says");
    await expect(gate('example.org/other')).resolves.toContain('patched');
    await expect(gate('keystead.dev/attested', modules.agent)).resolves.toContain('patched');
  });
});

describe('working inside a module', () => {
  const exec = (pod: string, as: readonly string[] = []) =>
    modules.kubectl(['-n', modules.id, 'exec', pod, ...as, '--', 'true']);
  const attach = (pod: string, as: readonly string[] = []) => modules.kubectl(['-n', modules.id, 'attach', pod, ...as]);
  const debug = (pod: string, as: readonly string[] = []) => {
    const ephemeralContainers = [{ name: 'debug', image: PINNED }];
    const patch = ['-p', JSON.stringify({ spec: { ephemeralContainers } })];
    return modules.kubectl([
      '-n',
      modules.id,
      'patch',
      'pod',
      pod,
      '--subresource=ephemeralcontainers',
      ...patch,
      ...as,
    ]);
  };
  /** What the API server says once admission has let the request through: nothing runs in these pods. */
  const PAST_ADMISSION = /does not have a host assigned/;

  beforeAll(async () => {
    const apiVersion = 'keystead.dev/v1alpha1';
    const identity = { apiVersion, kind: 'ModuleIdentity', spec: { moduleRef: { name: 'm' } } };
    await modules.apply({ ...identity, metadata: { name: 'empty', namespace: modules.id } });
    await modules.apply({ ...identity, metadata: { name: 'held', namespace: modules.id } });
    const holder = { podUid: 'u', pod: 'holding', node: 'n', verdict: 'Denied', since: '2026-01-01T00:00:00Z' };
    const trusted = { ...holder, podUid: 'v', pod: 'trusted', verdict: 'Allowed' };
    const status = ['--type=merge', '-p', JSON.stringify({ status: { holders: [holder, trusted] } })];
    const who = ['patch', 'moduleidentity', 'held', '-n', modules.id, '--subresource=status'];
    await modules.kubectl([...who, ...status]);
    const bare = { labels: { app: 'x' }, spec: { volumes: [] } };
    await modules.apply(modules.pod('holding', bare));
    await modules.apply(modules.pod('trusted', bare));
    await modules.apply(modules.pod('stranger', bare));
    await modules.apply(modules.pod('labelled'));
    // The parameters of a policy reach the API server's admission a moment after they were written.
    for (let attempt = 0; attempt < 50; attempt++) {
      const said = await exec('holding').catch(String);
      if (said.includes('is a module')) return;
      await new Promise((done) => setTimeout(done, 200));
    }
  }, 60_000);

  it('is refused where the status of an identity names the pod: exec, attach, and ephemeral containers', async () => {
    const message = 'pod holding is a module (ModuleIdentity held), in which nobody works: read its log, or ask as';
    await expect(exec('holding')).rejects.toThrow(message);
    await expect(attach('holding')).rejects.toThrow(message);
    await expect(debug('holding')).rejects.toThrow(message);
  });

  it('is allowed in other pods of the same namespace', async () => {
    await expect(exec('stranger')).rejects.toThrow(PAST_ADMISSION);
    await expect(debug('stranger')).resolves.toContain('patched');
  });

  it('is allowed to a break-glass group', async () => {
    await expect(exec('holding', BREAK_GLASS)).rejects.toThrow(PAST_ADMISSION);
    await expect(attach('holding', BREAK_GLASS)).rejects.toThrow(PAST_ADMISSION);
    await expect(exec('trusted', BREAK_GLASS)).rejects.toThrow(PAST_ADMISSION);
    await expect(debug('holding', BREAK_GLASS)).resolves.toContain('patched');
    await expect(debug('labelled', BREAK_GLASS)).resolves.toContain('patched');
  });

  it('is no attaching to a pod that holds an identity, not for a break-glass group either', async () => {
    await expect(attach('trusted', BREAK_GLASS)).rejects.toThrow('use exec, which takes the identity');
  });

  it('refuses an ephemeral container by label or volume at once, before any status names the pod', async () => {
    await modules.apply(modules.pod('fresh'));
    await expect(debug('fresh')).rejects.toThrow('debug a copy of it');
  });
});

describe('a strict namespace', () => {
  const deployment = (labels: object) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace: modules.namespaces.strict },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'd' } },
      template: {
        metadata: { labels: { app: 'd', ...labels } },
        spec: { containers: [{ name: 'main', image: PINNED }] },
      },
    },
  });
  const pod = (labels: object) => modules.pod('p', { namespace: modules.namespaces.strict, labels });
  const by = (name: string) => ['--as', `system:serviceaccount:kube-system:${name}`, '--as-group=system:masters'];

  it("takes pods with the label from the cluster's controllers alone", async () => {
    await expect(modules.apply(pod(MODULE))).rejects.toThrow('lets only Keystead start pods');
    await expect(modules.apply(pod({ app: 'p' }))).resolves.toContain('created');
    await modules.kubectl(['-n', modules.namespaces.strict, 'delete', 'pod', 'p']);
    await expect(modules.apply(pod(MODULE), by('replicaset-controller'))).resolves.toContain('created');
  });

  it('takes workloads that make such pods from our controller alone', async () => {
    await expect(modules.apply(deployment(MODULE))).rejects.toThrow('change the EdgeModule');
    await expect(modules.apply(deployment({}))).resolves.toContain('created');
    await expect(modules.apply(deployment(MODULE))).rejects.toThrow('change the EdgeModule');
    await expect(modules.apply(deployment(MODULE), modules.controller)).resolves.toContain('configured');
    const scale = ['scale', 'deployment/d', '--replicas=0', '-n', modules.namespaces.strict];
    await expect(modules.kubectl(scale)).resolves.toContain('scaled');
  });

  it('is not what other namespaces are: there the label alone is no offence', async () => {
    await expect(modules.apply(modules.pod('impostor'))).resolves.toContain('created');
  });
});

describe('the policies', () => {
  it('have no warning from the API server about their expressions', async () => {
    const list = JSON.parse(await modules.kubectl(['get', 'validatingadmissionpolicies', '-o', 'json'])) as {
      items: { metadata: { name: string }; status?: { typeChecking?: { expressionWarnings?: unknown[] } } }[];
    };
    const own = list.items.filter(({ metadata }) => metadata.name.startsWith(`${modules.id}-`));
    expect(own.map(({ metadata }) => metadata.name.split('-module-')[1]).sort()).toEqual(
      ['pods', 'privileges', 'label', 'gate', 'exec', 'attach', 'debug', 'origin', 'workloads'].sort(),
    );
    expect(own.flatMap(({ status }) => status?.typeChecking?.expressionWarnings ?? [])).toEqual([]);
  });

  it('guard the folders that the values name, leave out what is exempt, and can be switched off', async () => {
    const objects = await render({
      kubeletRoot: '/opt/kubelet',
      admission: { exemptNamespaces: ['lab'], breakGlassGroups: ['edge:oncall'] },
    });
    const policy = JSON.stringify(only(objects, 'ValidatingAdmissionPolicy', 'keystead-module-pods'));
    expect(policy).toContain('/opt/kubelet');
    const exec = JSON.stringify(only(objects, 'ValidatingAdmissionPolicy', 'keystead-module-exec'));
    expect(exec).toContain('edge:oncall');
    const binding = only(objects, 'ValidatingAdmissionPolicyBinding', 'keystead-module-pods');
    expect(JSON.stringify(binding)).toContain('"operator":"NotIn","values":["lab"]');
    const without = await render({ admission: { enabled: false } });
    expect(without.filter(({ metadata }) => metadata.name.includes('-module-'))).toEqual([]);
  });
});
