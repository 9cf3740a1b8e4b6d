// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeModule, EdgeModuleSpecTemplatePodSpec } from '../../../src/api/v1alpha1/index.ts';
import type { Deployment } from '../../../src/kube/kinds.ts';
import { workloadOf } from '../../../src/module/workload.ts';
import { aModule, anIdentity, DIGEST, IMAGE } from '../../fakes/declared.ts';

const withPod = (spec: EdgeModuleSpecTemplatePodSpec, more: Partial<EdgeModule['spec']> = {}): EdgeModule =>
  aModule('web', { template: { kind: 'Deployment', replicas: 2, pod: { spec } }, ...more });

function deployment(...given: Parameters<typeof workloadOf>): Deployment {
  const workload = workloadOf(...given);
  if ('reason' in workload) throw new Error(workload.message);
  return workload.object;
}

const podOf = (...given: Parameters<typeof workloadOf>) => deployment(...given).spec!.template.spec;

describe('the workload of a module', () => {
  it('is the native template with what Keystead adds', () => {
    const module = aModule('web', {
      template: {
        kind: 'Deployment',
        replicas: 2,
        pod: {
          metadata: { labels: { app: 'web' }, annotations: { note: 'kept' } },
          spec: {
            serviceAccountName: 'web',
            containers: [
              { name: 'main', image: IMAGE, ports: [{ containerPort: 80 }], env: [{ name: 'A', value: '1' }] },
              { name: 'side', image: IMAGE },
            ],
          },
        },
      },
    });
    expect(workloadOf(module, [anIdentity('web-id')])).toEqual({
      kind: 'Deployment',
      object: {
        metadata: {
          name: 'web',
          namespace: 'ns',
          labels: { 'app.kubernetes.io/managed-by': 'keystead', 'keystead.dev/module': 'web' },
          ownerReferences: [
            {
              apiVersion: 'keystead.dev/v1alpha1',
              kind: 'EdgeModule',
              name: 'web',
              uid: 'uid-web',
              controller: true,
              blockOwnerDeletion: false,
            },
          ],
        },
        spec: {
          replicas: 2,
          selector: { matchLabels: { 'keystead.dev/module': 'web' } },
          template: {
            metadata: { labels: { app: 'web', 'keystead.dev/module': 'web' }, annotations: { note: 'kept' } },
            spec: {
              serviceAccountName: 'web',
              readinessGates: [{ conditionType: 'keystead.dev/attested' }],
              volumes: [
                {
                  name: 'keystead-identity',
                  csi: { driver: 'csi.keystead.dev', readOnly: true, volumeAttributes: { identity: 'web-id' } },
                },
              ],
              containers: [
                {
                  name: 'main',
                  image: IMAGE,
                  ports: [{ containerPort: 80 }],
                  env: [
                    { name: 'A', value: '1' },
                    { name: 'KEYSTEAD_MODULE', value: 'web' },
                    { name: 'KEYSTEAD_IDENTITY_DIR', value: '/var/run/keystead' },
                  ],
                  volumeMounts: [{ name: 'keystead-identity', mountPath: '/var/run/keystead', readOnly: true }],
                },
                { name: 'side', image: IMAGE },
              ],
            },
          },
        },
      },
    });
  });

  it('is scaled to nothing while the module is stopped', () => {
    expect(deployment(aModule('web', { desiredState: 'Stopped' }), []).spec?.replicas).toBe(0);
  });

  it('may be a DaemonSet, without replicas', () => {
    const template = { ...aModule('web').spec.template!, kind: 'DaemonSet' as const };
    const workload = workloadOf(aModule('web', { template }), []);
    expect(workload).toMatchObject({ kind: 'DaemonSet' });
    expect('object' in workload && workload.object.spec).not.toHaveProperty('replicas');
  });

  it('gives the identity to the container that is the module, and to no other', () => {
    const spec = {
      containers: [
        { name: 'proxy', image: IMAGE },
        { name: 'main', image: IMAGE },
      ],
    };
    const { containers } = podOf(withPod(spec, { container: 'main' }), [anIdentity('web-id')]);
    expect(containers.map(({ volumeMounts }) => volumeMounts?.length ?? 0)).toEqual([0, 1]);
  });

  it('has no volume without an identity, and the gate all the same', () => {
    const pod = podOf(aModule('web'), []);
    expect(pod).not.toHaveProperty('volumes');
    expect(pod.containers[0]?.env).toEqual([{ name: 'KEYSTEAD_MODULE', value: 'web' }]);
    expect(pod.readinessGates).toHaveLength(1);
  });

  it('puts each of several identities into a folder of its own, in a fixed order', () => {
    const [one, two] = [anIdentity('one'), anIdentity('two')];
    const pod = podOf(aModule('web'), [two, one]);
    expect(pod.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual([
      '/var/run/keystead/one',
      '/var/run/keystead/two',
    ]);
    expect(new Set(pod.volumes?.map(({ name }) => name)).size).toBe(2);
    expect(podOf(aModule('web'), [one, two])).toEqual(pod);
  });

  it('mounts the Secret where that is the only delivery', () => {
    const secret = anIdentity('web-id', { delivery: ['Secret'], secretName: 'web-tls' });
    expect(podOf(aModule('web'), [secret]).volumes).toEqual([
      { name: 'keystead-identity', secret: { secretName: 'web-tls' } },
    ]);
    const both = anIdentity('web-id', { delivery: ['Volume', 'Secret'] });
    expect(podOf(aModule('web'), [both]).volumes?.[0]).toHaveProperty('csi');
  });

  it('says where the SPIFFE Workload API is, where an identity is delivered by Socket', () => {
    const variable = (...identities: Parameters<typeof workloadOf>[1]) =>
      podOf(aModule('web'), identities).containers[0]?.env?.find(({ name }) => name === 'SPIFFE_ENDPOINT_SOCKET')
        ?.value;
    const socket = { delivery: ['Socket', 'Secret'] as const };
    expect(variable(anIdentity('web-id'))).toBeUndefined();
    expect(variable(anIdentity('web-id', socket))).toBe('unix:///var/run/keystead/spiffe.sock');
    expect(variable(anIdentity('one'), anIdentity('two', socket))).toBe('unix:///var/run/keystead/two/spiffe.sock');
    expect(podOf(aModule('web'), [anIdentity('web-id', socket)]).volumes?.[0]).toHaveProperty('csi');
  });

  describe('for a module of an IoT Hub', () => {
    const hub = { hubHostName: 'hub.example', gatewayHostName: 'edgehub.ns.svc' };
    const environment = (...identities: Parameters<typeof workloadOf>[1]) =>
      podOf(aModule('web'), identities).containers[0]!.env!.filter(({ name }) => name.startsWith('IOTEDGE_'));

    it('sets what IoT Edge sets, which its SDKs look for', () => {
      expect(environment(anIdentity('web-id', { iotEdge: hub }))).toEqual([
        { name: 'IOTEDGE_WORKLOADURI', value: 'unix:///var/run/keystead/workload.sock' },
        { name: 'IOTEDGE_APIVERSION', value: '2022-08-03' },
        { name: 'IOTEDGE_AUTHSCHEME', value: 'sasToken' },
        { name: 'IOTEDGE_IOTHUBHOSTNAME', value: 'hub.example' },
        { name: 'IOTEDGE_GATEWAYHOSTNAME', value: 'edgehub.ns.svc' },
        { name: 'IOTEDGE_DEVICEID', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } },
        { name: 'IOTEDGE_MODULEID', value: 'web-id' },
        { name: 'IOTEDGE_MODULEGENERATIONID', value: 'uid-web-id' },
      ]);
      expect(environment(anIdentity('web-id'))).toEqual([]);
    });

    it('takes names from the identity, and keeps the kubelet from reading them as variables', () => {
      const iotEdge = { hubHostName: 'h', deviceId: 'd$(HOME)', moduleId: '$edgeHub', generationId: '638' };
      const set = new Map(environment(anIdentity('web-id', { iotEdge })).map(({ name, value }) => [name, value]));
      expect(set.get('IOTEDGE_DEVICEID')).toBe('d$$(HOME)');
      expect(set.get('IOTEDGE_MODULEID')).toBe('$edgeHub');
      expect(set.get('IOTEDGE_MODULEGENERATIONID')).toBe('638');
      expect(set.has('IOTEDGE_GATEWAYHOSTNAME')).toBe(false);
    });

    it('is of one identity where several have it', () => {
      const one = anIdentity('one', { iotEdge: { hubHostName: 'h', moduleId: '$edgeHub' } });
      const set = environment(anIdentity('two', { iotEdge: hub }), one, anIdentity('a'));
      expect(set.map(({ value }) => value)).toContain('unix:///var/run/keystead/one/workload.sock');
      expect(set.map(({ name }) => name)).not.toContain('IOTEDGE_GATEWAYHOSTNAME');
    });

    it('has the kubelet hand the Secret with its keys to the node, never to the pod', () => {
      const iotEdge = { ...hub, keysSecretName: 'web-keys' };
      const [volume, ...others] = podOf(aModule('web'), [anIdentity('web-id', { iotEdge })]).volumes!;
      expect(volume?.csi?.nodePublishSecretRef).toEqual({ name: 'web-keys' });
      expect(others).toEqual([]);
    });
  });

  it('leaves an identity alone that the template mounts itself', () => {
    const own = { name: 'mine', csi: { driver: 'csi.keystead.dev', volumeAttributes: { identity: 'web-id' } } };
    const spec = { volumes: [own], containers: [{ name: 'main', image: IMAGE }] };
    const pod = podOf(withPod(spec), [anIdentity('web-id')]);
    expect(pod.volumes).toEqual([own]);
    expect(pod.containers[0]).not.toHaveProperty('volumeMounts');
  });

  it('keeps a variable or gate that the template sets itself', () => {
    const spec = {
      readinessGates: [{ conditionType: 'keystead.dev/attested' }, { conditionType: 'other' }],
      containers: [{ name: 'main', image: IMAGE, env: [{ name: 'KEYSTEAD_MODULE', value: 'own' }] }],
    };
    const pod = podOf(withPod(spec), []);
    expect(pod.readinessGates).toHaveLength(2);
    expect(pod.containers[0]?.env).toEqual([{ name: 'KEYSTEAD_MODULE', value: 'own' }]);
  });
});

describe('an image', () => {
  const image = (reference: string, images: EdgeModule['spec']['images'] = []) =>
    podOf(withPod({ containers: [{ name: 'main', image: reference }] }, { images }), []).containers[0]?.image;

  it.each([
    [`app@${DIGEST}`, `app@${DIGEST}`],
    [`app:1.2@${DIGEST}`, `app@${DIGEST}`],
    [`localhost:5000/app@${DIGEST}`, `localhost:5000/app@${DIGEST}`],
    [`localhost:5000/team/app:1.2@${DIGEST}`, `localhost:5000/team/app@${DIGEST}`],
  ])('%s is pinned as %s', (reference, expected) => expect(image(reference)).toBe(expected));

  it('with a tag is pinned by the first digest that images gives under its name', () => {
    const images = [
      { digest: `sha256:${'b'.repeat(64)}` },
      { name: 'localhost:5000/app:1.2', digest: DIGEST },
      { name: 'localhost:5000/app:1.2', digest: `sha256:${'c'.repeat(64)}` },
    ];
    expect(image('localhost:5000/app:1.2', images)).toBe(`localhost:5000/app@${DIGEST}`);
  });

  it.each(['app', 'app:1.2', `app@sha256:short`, 'localhost:5000/app'])('%s alone is refused', (reference) => {
    const refused = workloadOf(withPod({ containers: [{ name: 'main', image: reference }] }), []);
    expect(refused).toMatchObject({ reason: 'TagNotPinned', message: expect.stringContaining(reference) });
  });

  it('of an init container must be pinned too', () => {
    const spec = { containers: [{ name: 'main', image: IMAGE }], initContainers: [{ name: 'init', image: 'tool:1' }] };
    expect(workloadOf(withPod(spec), [])).toMatchObject({ reason: 'TagNotPinned' });
    const images = [{ name: 'tool:1', digest: DIGEST }];
    expect(podOf(withPod(spec, { images }), []).initContainers?.[0]?.image).toBe(`tool@${DIGEST}`);
  });
});

describe('a conflict with the template', () => {
  const main = { name: 'main', image: IMAGE };

  it('over the name of the volume is refused', () => {
    const spec = { volumes: [{ name: 'keystead-identity', emptyDir: {} }], containers: [main] };
    expect(workloadOf(withPod(spec), [anIdentity('web-id')])).toMatchObject({ reason: 'VolumeNameTaken' });
    expect(workloadOf(withPod(spec), [])).toHaveProperty('object');
  });

  it.each(['/var/run/keystead', '/var/run/keystead/', '/run/keystead/tls', '//var/run//keystead'])(
    'over the mount path %s is refused',
    (mountPath) => {
      const spec = { containers: [{ ...main, volumeMounts: [{ name: 'x', mountPath }] }] };
      expect(workloadOf(withPod(spec), [anIdentity('web-id')])).toMatchObject({ reason: 'MountPathTaken' });
    },
  );

  it.each(['/var/run', '/var/run/keystead-other', '/data'])('does not exist with a mount at %s', (mountPath) => {
    const spec = { containers: [{ ...main, volumeMounts: [{ name: 'x', mountPath }] }] };
    expect(workloadOf(withPod(spec), [anIdentity('web-id')])).toHaveProperty('object');
  });

  it('over a name too long for a label is refused', () => {
    expect(workloadOf(aModule('m'.repeat(64)), [])).toMatchObject({ reason: 'NameTooLong' });
  });
});
