// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { ALL_FILES, PUBLIC_FILES, Scene } from '../e2e/harness.ts';
import type { KubeObject } from '../quickstart/kubectl.ts';
import { AttackScene } from './attack.ts';
import { attack } from './side-by-side.ts';

const scene = new AttackScene('pod');
const elsewhere = new AttackScene('pod-elsewhere');
beforeAll(async () => {
  await scene.open();
  await elsewhere.open();
}, 120_000);
afterAll(async () => {
  await elsewhere.close();
  await scene.close();
}, 180_000);

const MOUNT = [{ name: 'identity', mountPath: '/var/run/keystead', readOnly: true }];
const sleeping = (of: Scene, name: string, mounts = MOUNT) => {
  return { name, image: of.image, command: ['/bin/sleep', '1000000'], volumeMounts: mounts };
};

describe('a pod of the right image', () => {
  attack('that sees the processes of the node is refused', () =>
    scene.refuses('hostpid', { spec: { hostPID: true } }, 'PodNotBound'),
  );

  attack('whose containers reach into each other is refused', () =>
    scene.refuses('sharepid', { spec: { shareProcessNamespace: true } }, 'PodNotBound'),
  );

  attack('whose sidecar reads the identity too is refused', async () => {
    const containers = [sleeping(scene, 'main'), sleeping(scene, 'spy')];
    const denied = await scene.refuses('sidecar', { spec: { containers } }, 'PodNotBound');
    expect(denied.message).toContain('container spy');
  });

  attack('whose init container reads the identity too is refused', async () => {
    const first = { ...sleeping(scene, 'first'), command: ['/bin/true'] };
    const denied = await scene.refuses('initial', { spec: { initContainers: [first] } }, 'PodNotBound');
    expect(denied.message).toContain('container first');
  });

  attack('whose module container is another than the module says is refused', async () => {
    await scene.apply(...scene.claim('wrongname', { container: 'main' }));
    const pod = (name: string, container: string): object =>
      scene.pod(name, { app: 'wrongname' }, { spec: { containers: [sleeping(scene, container)] } });
    await scene.apply(pod('wrongname-attacker', 'minor'), pod('wrongname-honest', 'main'));
    await scene.holder('wrongname', 'Allowed', ({ pod: name }) => name === 'wrongname-honest');
    // There is no container to be judged at all, so there may be no verdict either.
    await scene.run('wait', '--for=condition=Ready', 'pod/wrongname-attacker', '--timeout=60s');
    await scene.gotNothing('wrongname', 'wrongname-attacker');
    await scene.remove('wrongname-attacker', 'wrongname-honest');
  });

  attack('loses its identity to an ephemeral container', async () => {
    await scene.apply(...scene.claim('debugged'));
    await scene.apply(scene.pod('debugged', { app: 'debugged' }));
    const held = await scene.holder('debugged', 'Allowed');
    await scene.filesAre('debugged', ALL_FILES);
    const ephemeral = { ...sleeping(scene, 'debugger', []), targetContainerName: 'main' };
    const patch = JSON.stringify({ spec: { ephemeralContainers: [ephemeral] } });
    await scene.run('patch', 'pod', 'debugged', '--subresource=ephemeralcontainers', '-p', patch);
    const denied = await scene.takenBack('debugged', held, 'PodNotBound');
    expect(denied.message).toContain('ephemeral container debugger');
    await scene.remove('debugged');
  });

  attack('with the labels of a template module, made by hand, of another image is refused', async () => {
    const other = await scene.push('b');
    await scene.apply(...scene.module('owned'));
    const own = await scene.holder('owned', 'Allowed');
    const labels = { 'keystead.dev/module': 'owned', 'app.kubernetes.io/managed-by': 'keystead' };
    await scene.apply(scene.pod('forged', labels, { image: other.reference, identity: 'owned' }));
    expect(await scene.holder('owned', 'Denied')).toMatchObject({ pod: 'forged', reason: 'ImageDigestMismatch' });
    await scene.gotNothing('owned', 'forged');
    await scene.filesAre(own.pod, ALL_FILES);
    await scene.remove('forged');
  });
});

describe('a pod with image, command and labels of a template module, made by somebody else, is refused', () => {
  /** Beside the pod of the module itself, which has its identity. */
  async function refused(name: string, make: (labels: object, module: KubeObject) => object): Promise<void> {
    await scene.apply(...scene.module(name));
    const own = await scene.holder(name, 'Allowed');
    const { metadata } = (await scene.find('pod', own.pod))!;
    // Without the hash of its ReplicaSet, which would take the pod for one too many of its own and end it.
    const { 'pod-template-hash': _hash, ...labels } = metadata.labels ?? {};
    await scene.apply(make(labels, (await scene.find('edgemodule', name))!));
    const denied = await scene.holder(name, 'Denied', ({ podUid }) => podUid !== own.podUid);
    expect(denied).toMatchObject({ reason: 'PodNotOwned' });
    await scene.gotNothing(name, denied.pod);
    await scene.filesAre(own.pod, ALL_FILES);
    expect(await scene.holder(name, 'Allowed')).toMatchObject({ serial: own.serial });
  }

  const pod = (name: string, labels: object, metadata: object = {}): object => {
    const made = scene.pod(name, {}, { identity: name.replace(/-.*/, '') }) as { metadata: object };
    return { ...made, metadata: { ...made.metadata, labels, ...metadata } };
  };

  attack('without owner', () => refused('unowned', (labels) => pod('unowned-x', labels)));

  attack('that names the EdgeModule itself as its owner', () =>
    refused('claimed', (labels, { metadata: { name, uid } }) => {
      const owner = { apiVersion: 'keystead.dev/v1alpha1', kind: 'EdgeModule', name, uid, controller: true };
      return pod('claimed-x', labels, { ownerReferences: [owner] });
    }),
  );

  attack('of a Deployment of somebody else', () =>
    refused('copied', (labels) => {
      const { spec } = pod('copied-x', labels) as { spec: object };
      const all = { ...labels, copy: 'x' };
      return {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { namespace: scene.namespace, name: 'copied-x' },
        spec: {
          selector: { matchLabels: { copy: 'x' } },
          template: { metadata: { labels: all }, spec: { ...spec, terminationGracePeriodSeconds: 1 } },
        },
      };
    }),
  );
});

describe('a pod that names what is not its own', () => {
  attack("does not get the identity of another module by its volume's attribute", async () => {
    await scene.apply(...scene.claim('victim'), ...scene.claim('thief'));
    await scene.apply(scene.pod('victim', { app: 'victim' }, { identity: 'victim' }));
    await scene.holder('victim', 'Allowed');
    await scene.apply(scene.pod('thief', { app: 'thief' }, { identity: 'victim' }));
    await scene.run('wait', '--for=condition=Ready', 'pod/thief', '--timeout=60s');
    // It is a module of its own and may hold its own identity; nothing of it lies where the other's would.
    expect(await scene.files('thief')).toEqual(PUBLIC_FILES);
    await scene.filesAre('victim', ALL_FILES);
    const holders = await scene.run('get', 'moduleidentity', 'victim', '-o', 'jsonpath={.status.holders[*].pod}');
    expect(holders).toBe('victim');
    const uid = await scene.run('get', 'pod', 'thief', '-o', 'jsonpath={.metadata.uid}');
    expect(scene.issuedTo(uid).filter((line) => line.includes('/module/victim'))).toEqual([]);
    await scene.remove('victim', 'thief');
  });

  attack('does not start with an attribute that the driver does not know', async () => {
    const volume = (attributes: object): object => ({
      volumes: [
        { name: 'identity', csi: { driver: 'csi.keystead.dev', readOnly: true, volumeAttributes: attributes } },
      ],
    });
    await scene.apply(...scene.claim('attribute'));
    const pod = (name: string, attributes: object) =>
      scene.pod(name, { app: 'attribute' }, { spec: volume(attributes) });
    const forged = { 'csi.storage.k8s.io/pod.uid': 'x', spiffeId: 'spiffe://edge.example.org/ns/a/module/b' };
    await scene.apply(pod('attribute-attacker', { spiffeId: forged.spiffeId }), pod('attribute-honest', {}));
    await scene.holder('attribute', 'Allowed', (holder) => holder.pod === 'attribute-honest');
    const event = ['get', 'events', '--field-selector=involvedObject.name=attribute-attacker,reason=FailedMount'];
    const said = await scene.eventually(() => scene.run(...event, '-o', 'jsonpath={.items[*].message}'));
    expect(said).toContain('unknown volume attribute spiffeId');
    const uid = await scene.run('get', 'pod', 'attribute-attacker', '-o', 'jsonpath={.metadata.uid}');
    expect(scene.issuedTo(uid)).toEqual([]);
    await scene.remove('attribute-attacker', 'attribute-honest');
  });

  attack('cannot lead the path of an identity out of its folder', async () => {
    await scene.apply(...scene.claim('path'));
    const identity = '../../../../../../etc';
    await scene.apply(scene.pod('path-attacker', { app: 'path' }, { identity }));
    await scene.apply(scene.pod('path-honest', { app: 'path' }, { identity: 'path' }));
    await scene.holder('path', 'Allowed', ({ pod }) => pod === 'path-honest');
    const uid = await scene.run('get', 'pod', 'path-attacker', '-o', 'jsonpath={.metadata.uid}');
    const files = await scene.files('path-attacker').catch(() => PUBLIC_FILES);
    expect(files).toEqual(PUBLIC_FILES);
    expect(scene.issuedTo(uid).filter((line) => line.includes('etc'))).toEqual([]);
    await scene.remove('path-attacker', 'path-honest');
  });

  attack('of the same module, image and service account in another namespace is somebody else', async () => {
    await scene.apply(...scene.claim('twin'));
    await scene.apply(scene.pod('twin', { app: 'twin' }));
    const original = await scene.holder('twin', 'Allowed');
    // Without a module of its own namespace it is nobody.
    await elsewhere.apply(elsewhere.pod('twin', { app: 'twin' }, { identity: 'twin' }));
    await elsewhere.run('wait', '--for=condition=Ready', 'pod/twin', '--timeout=60s');
    expect(await elsewhere.files('twin')).toEqual(PUBLIC_FILES);
    // With one it is that one, under its own namespace's name.
    await elsewhere.apply(...elsewhere.claim('twin'));
    const copy = await elsewhere.holder('twin', 'Allowed');
    expect(copy.serial).not.toBe(original.serial);
    const id = (of: Scene) => of.run('get', 'moduleidentity', 'twin', '-o', 'jsonpath={.status.spiffeId}');
    expect(await id(elsewhere)).toContain(`/ns/${elsewhere.namespace}/`);
    expect(await id(scene)).toContain(`/ns/${scene.namespace}/`);
    await scene.remove('twin');
    await elsewhere.remove('twin');
  });
});
