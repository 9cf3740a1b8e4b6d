// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { readPublishRequest, readUnpublishRequest } from '../../../src/deliver/csi/request.ts';
import { KeysteadError } from '../../../src/errors.ts';
import { NodePublishVolumeRequestSchema } from '../../../src/gen/csi/v1/csi_pb.js';

const ROOT = '/var/lib/kubelet';
const TARGET = `${ROOT}/pods/u-1/volumes/kubernetes.io~csi/identity/mount`;
const CONTEXT = {
  'csi.storage.k8s.io/ephemeral': 'true',
  'csi.storage.k8s.io/pod.name': 'sensor-0',
  'csi.storage.k8s.io/pod.namespace': 'plant',
  'csi.storage.k8s.io/pod.uid': 'u-1',
  'csi.storage.k8s.io/serviceAccount.name': 'default',
};

type Request = Exclude<MessageInitShape<typeof NodePublishVolumeRequestSchema>, { $typeName: string }>;

const mount = (volumeMountGroup = '', mountFlags: string[] = []): Request['volumeCapability'] => ({
  accessType: { case: 'mount', value: { volumeMountGroup, mountFlags } },
});

const request = (change: Request = {}) =>
  create(NodePublishVolumeRequestSchema, {
    volumeId: 'csi-1',
    targetPath: TARGET,
    readonly: true,
    volumeContext: CONTEXT,
    volumeCapability: mount()!,
    ...change,
  });

const failure = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    const { code, message } = error as KeysteadError;
    return { code, message };
  }
  throw new Error('was accepted');
};

describe('readPublishRequest', () => {
  it('reads what the kubelet sends for an inline volume', () => {
    const context = { ...CONTEXT, identity: 'sensor' };
    expect(readPublishRequest(request({ volumeContext: context }), ROOT)).toEqual({
      volumeId: 'csi-1',
      targetPath: TARGET,
      podUid: 'u-1',
      podNamespace: 'plant',
      podName: 'sensor-0',
      attributes: { identity: 'sensor' },
    });
  });

  it.each([
    ['0', 0],
    ['2000', 2000],
    ['4294967294', 4294967294],
  ])('reads fsGroup %s', (text, group) => {
    expect(readPublishRequest(request({ volumeCapability: mount(text)! }), ROOT).fsGroup).toBe(group);
  });

  const without = (key: string): Record<string, string> =>
    Object.fromEntries(Object.entries(CONTEXT).filter(([name]) => name !== `csi.storage.k8s.io/${key}`));
  const podInfo = 'volume_context names no pod; the CSIDriver object must have podInfoOnMount: true';
  const inline = 'only inline (ephemeral) volumes are served; declare the volume in the pod, not as a PersistentVolume';
  const block = 'volume_capability is not mount; a block volume cannot hold an identity';

  it.each<[string, Request, string, string]>([
    ['no volume id', { volumeId: '' }, 'InvalidRequest', 'volume_id is empty'],
    ['a long volume id', { volumeId: 'x'.repeat(129) }, 'InvalidRequest', 'volume_id is longer than 128 bytes'],
    ['no target', { targetPath: '' }, 'InvalidRequest', 'target_path is empty'],
    [
      'a target elsewhere',
      { targetPath: '/etc' },
      'InvalidRequest',
      'target_path /etc is not below /var/lib/kubelet/pods/<uid>/volumes/; ' +
        'if the kubelet runs with another --root-dir, give the agent the same directory',
    ],
    ['no pod information', { volumeContext: {} }, 'InvalidConfiguration', podInfo],
    ['no pod uid', { volumeContext: without('pod.uid') }, 'InvalidConfiguration', podInfo],
    ['no pod name', { volumeContext: without('pod.name') }, 'InvalidConfiguration', podInfo],
    ['no pod namespace', { volumeContext: without('pod.namespace') }, 'InvalidConfiguration', podInfo],
    ['a persistent volume', { volumeContext: without('ephemeral') }, 'InvalidRequest', inline],
    [
      'ephemeral false',
      { volumeContext: { ...CONTEXT, 'csi.storage.k8s.io/ephemeral': 'false' } },
      'InvalidRequest',
      inline,
    ],
    [
      'the target of another pod',
      { targetPath: TARGET.replace('u-1', 'u-2') },
      'InvalidRequest',
      `target_path ${TARGET.replace('u-1', 'u-2')} does not belong to pod u-1`,
    ],
    [
      'a writable volume',
      { readonly: false },
      'InvalidRequest',
      'the volume must be read-only; set readOnly: true in the csi volume of the pod',
    ],
    ['a block volume', { volumeCapability: { accessType: { case: 'block', value: {} } } }, 'InvalidRequest', block],
    ['no access type', { volumeCapability: {} }, 'InvalidRequest', block],
    [
      'mount flags',
      { volumeCapability: mount('', ['context="x"'])! },
      'InvalidRequest',
      'mount flags are not supported, found context="x"; the CSIDriver object must have seLinuxMount: false',
    ],
    [
      'a group that is no number',
      { volumeCapability: mount('staff')! },
      'InvalidRequest',
      'volume_mount_group staff is not a group id',
    ],
    [
      'a negative group',
      { volumeCapability: mount('-1')! },
      'InvalidRequest',
      'volume_mount_group -1 is not a group id',
    ],
    [
      'the group that means none',
      { volumeCapability: mount('4294967295')! },
      'InvalidRequest',
      'volume_mount_group 4294967295 is not a group id',
    ],
    [
      'a mistyped attribute',
      { volumeContext: { ...CONTEXT, identiy: 'x' } },
      'InvalidRequest',
      'unknown volume attribute identiy; known: identity',
    ],
  ])('refuses %s', (_, change, code, message) => {
    expect(failure(() => readPublishRequest(request(change), ROOT))).toEqual({ code, message });
  });

  it('refuses a request without a capability', () => {
    const bare = request();
    delete bare.volumeCapability;
    expect(failure(() => readPublishRequest(bare, ROOT))).toEqual({ code: 'InvalidRequest', message: block });
  });

  it('names the first rule broken when many are', () => {
    const empty = create(NodePublishVolumeRequestSchema);
    expect(failure(() => readPublishRequest(empty, ROOT)).message).toBe('volume_id is empty');
  });
});

describe('readUnpublishRequest', () => {
  it('reads id and path', () => {
    const asked = { volumeId: 'csi-1', targetPath: TARGET };
    expect(readUnpublishRequest(asked, ROOT)).toEqual(asked);
  });

  it.each([
    ['', TARGET, 'volume_id is empty'],
    ['csi-1', '', 'target_path is empty'],
    ['csi-1', '/', 'target_path / is not below /var/lib/kubelet/pods/<uid>/volumes/'],
    ['csi-1', `${ROOT}/pods/u-1`, 'is not below /var/lib/kubelet/pods/<uid>/volumes/'],
  ])('refuses id %p with path %p', (volumeId, targetPath, message) => {
    const { code, message: found } = failure(() => readUnpublishRequest({ volumeId, targetPath }, ROOT));
    expect(code).toBe('InvalidRequest');
    expect(found).toContain(message);
  });
});
