// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { readPublishRequest, readUnpublishRequest, type PublishRequest } from '../../../src/deliver/csi/request.ts';
import { locateTarget } from '../../../src/deliver/csi/target-path.ts';
import { NodePublishVolumeRequestSchema } from '../../../src/gen/csi/v1/csi_pb.js';
import type { Dice } from '../dice.ts';
import { mutateText } from '../mutations/text.ts';
import { must, target, type Target } from '../target.ts';

const ROOT = '/var/lib/kubelet';
const TARGET = `${ROOT}/pods/u-1/volumes/kubernetes.io~csi/identity/mount`;
const CONTEXT: Readonly<Record<string, string>> = {
  'csi.storage.k8s.io/ephemeral': 'true',
  'csi.storage.k8s.io/pod.name': 'sensor-0',
  'csi.storage.k8s.io/pod.namespace': 'plant',
  'csi.storage.k8s.io/pod.uid': 'u-1',
  'csi.storage.k8s.io/serviceAccount.name': 'default',
};
const PATH_WORDS = [ROOT, '/pods/', '/volumes/', 'u-1', '/..', '/../', '/.', '//', '/mount', 'pods', '\0'];

type Init = Exclude<MessageInitShape<typeof NodePublishVolumeRequestSchema>, { $typeName: string }>;

const request = (change: Init = {}): PublishRequest =>
  create(NodePublishVolumeRequestSchema, {
    volumeId: 'csi-1',
    targetPath: TARGET,
    readonly: true,
    volumeContext: { ...CONTEXT },
    volumeCapability: { accessType: { case: 'mount', value: {} } },
    ...change,
  });
const REQUESTS = [request(), request({ volumeContext: { ...CONTEXT, identity: 'sensor' } })];

function mutateRequest(sample: PublishRequest, dice: Dice): PublishRequest {
  const { volumeId, targetPath, readonly, volumeContext, volumeCapability } = sample;
  const init = { volumeId, targetPath, readonly, volumeContext } as Init;
  const keep = volumeCapability ? { ...init, volumeCapability } : init;
  switch (dice.below(6)) {
    case 0:
      return request({ ...keep, volumeId: mutateText(volumeId, dice) });
    case 1:
      return request({ ...keep, volumeContext: mutateContext(volumeContext, dice) });
    case 2:
      return request({ ...keep, readonly: dice.oneIn(2) });
    case 3: {
      const value = { volumeMountGroup: mutateText('1000', dice), mountFlags: dice.oneIn(4) ? ['exec'] : [] };
      return request({ ...keep, volumeCapability: { accessType: { case: 'mount', value } } });
    }
    case 4:
      return request({ ...keep, volumeCapability: { accessType: { case: 'block', value: {} } } });
    default:
      return request({ ...keep, targetPath: mutateText(targetPath, dice, PATH_WORDS, [TARGET]) });
  }
}

function mutateContext(context: Readonly<Record<string, string>>, dice: Dice): Record<string, string> {
  const entries = Object.entries(context);
  const at = dice.below(entries.length);
  const [key, value] = entries[at] ?? ['', ''];
  if (dice.oneIn(3)) return Object.fromEntries(entries.filter((_, index) => index !== at));
  if (dice.oneIn(3)) return Object.fromEntries([...entries, [mutateText(key, dice, ['identity', '__proto__']), value]]);
  return Object.fromEntries(entries.with(at, [key, mutateText(value, dice, PATH_WORDS)]));
}

/** What is mounted as root lies below the volumes of a pod, in so many characters. */
function below(path: string): void {
  must(new RegExp(`^${ROOT}/pods/[^/]+/volumes/[^]+$`).test(path), 'the target lies below the volumes of a pod');
  must(!path.split('/').some((segment) => segment === '..' || segment === '.'), 'no way out of it');
}

export const DELIVER_TARGETS: readonly Target[] = [
  target({
    name: 'csi-publish',
    weight: 3,
    corpus: REQUESTS,
    mutate: mutateRequest,
    read: (input) => below(readPublishRequest(input, ROOT).targetPath),
  }),
  target({
    name: 'csi-unpublish',
    corpus: [{ volumeId: 'csi-1', targetPath: TARGET }],
    mutate: ({ volumeId, targetPath }, dice) => ({
      volumeId,
      targetPath: mutateText(targetPath, dice, PATH_WORDS, [TARGET]),
    }),
    read: (input) => below(readUnpublishRequest(input, ROOT).targetPath),
  }),
  target({
    name: 'csi-target-path',
    weight: 2,
    corpus: [TARGET],
    mutate: (path, dice) => mutateText(path, dice, PATH_WORDS, [TARGET]),
    read: (path) => {
      if (locateTarget(ROOT, path) === undefined) return false;
      below(path);
      return true;
    },
  }),
];
