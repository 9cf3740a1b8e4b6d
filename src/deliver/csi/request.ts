// SPDX-License-Identifier: Apache-2.0
import { IDENTITY_ATTRIBUTE } from '../../api/names.ts';
import { KeysteadError, type ErrorCode } from '../../errors.ts';
import type { NodePublishVolumeRequest, NodeUnpublishVolumeRequest } from '../../gen/csi/v1/csi_pb.js';
import type { PublishedVolume } from '../port.ts';
import { locateTarget } from './target-path.ts';

/** The fields of NodePublishVolumeRequest that matter here; its messages carry more. */
export type PublishRequest = Pick<
  NodePublishVolumeRequest,
  'volumeId' | 'targetPath' | 'readonly' | 'volumeContext' | 'volumeCapability' | 'secrets'
>;
export type UnpublishRequest = Pick<NodeUnpublishVolumeRequest, 'volumeId' | 'targetPath'>;

/** volume_context entries that the kubelet adds: https://kubernetes-csi.github.io/docs/pod-info.html */
const KUBELET_PREFIX = 'csi.storage.k8s.io/';
const EPHEMERAL = `${KUBELET_PREFIX}ephemeral`;
const POD_UID = `${KUBELET_PREFIX}pod.uid`;
const POD_NAME = `${KUBELET_PREFIX}pod.name`;
const POD_NAMESPACE = `${KUBELET_PREFIX}pod.namespace`;

const KNOWN_ATTRIBUTES: readonly string[] = [IDENTITY_ATTRIBUTE];
/** CSI spec, "Size Limits": a string field without a limit of its own. */
const MAX_ID_BYTES = 128;
/** The kernel's (gid_t)-1 means "leave as it is". */
const MAX_GID = 0xffff_fffe;

interface Rule<Request> {
  readonly code: ErrorCode;
  readonly holds: (request: Request, kubeletRoot: string) => boolean;
  readonly message: (request: Request, kubeletRoot: string) => string;
}

const ADDRESS_RULES: readonly Rule<UnpublishRequest>[] = [
  { code: 'InvalidRequest', holds: ({ volumeId }) => volumeId !== '', message: () => 'volume_id is empty' },
  {
    code: 'InvalidRequest',
    holds: ({ volumeId }) => Buffer.byteLength(volumeId) <= MAX_ID_BYTES,
    message: () => `volume_id is longer than ${MAX_ID_BYTES} bytes`,
  },
  { code: 'InvalidRequest', holds: ({ targetPath }) => targetPath !== '', message: () => 'target_path is empty' },
  {
    code: 'InvalidRequest',
    holds: ({ targetPath }, root) => locateTarget(root, targetPath) !== undefined,
    message: ({ targetPath }, root) =>
      `target_path ${targetPath} is not below ${root}/pods/<uid>/volumes/; ` +
      `if the kubelet runs with another --root-dir, give the agent the same directory`,
  },
];

const PUBLISH_RULES: readonly Rule<PublishRequest>[] = [
  {
    code: 'InvalidConfiguration',
    holds: ({ volumeContext }) => [POD_UID, POD_NAME, POD_NAMESPACE].every((key) => volumeContext[key]),
    message: () => 'volume_context names no pod; the CSIDriver object must have podInfoOnMount: true',
  },
  {
    code: 'InvalidRequest',
    holds: ({ volumeContext }) => volumeContext[EPHEMERAL] === 'true',
    message: () =>
      'only inline (ephemeral) volumes are served; declare the volume in the pod, not as a PersistentVolume',
  },
  {
    code: 'InvalidRequest',
    holds: (request, root) => locateTarget(root, request.targetPath)?.podUid === request.volumeContext[POD_UID],
    message: ({ targetPath, volumeContext }) =>
      `target_path ${targetPath} does not belong to pod ${volumeContext[POD_UID] ?? ''}`,
  },
  {
    code: 'InvalidRequest',
    holds: ({ readonly }) => readonly,
    message: () => 'the volume must be read-only; set readOnly: true in the csi volume of the pod',
  },
  {
    code: 'InvalidRequest',
    holds: ({ volumeCapability }) => volumeCapability?.accessType.case === 'mount',
    message: () => 'volume_capability is not mount; a block volume cannot hold an identity',
  },
  {
    code: 'InvalidRequest',
    holds: (request) => mountOf(request).mountFlags.length === 0,
    message: (request) =>
      `mount flags are not supported, found ${mountOf(request).mountFlags.join(',')}; ` +
      `the CSIDriver object must have seLinuxMount: false`,
  },
  {
    code: 'InvalidRequest',
    holds: (request) => groupOf(request) !== 'invalid',
    message: (request) => `volume_mount_group ${mountOf(request).volumeMountGroup} is not a group id`,
  },
  {
    code: 'InvalidRequest',
    holds: (request) => unknownAttributes(request).length === 0,
    message: (request) =>
      `unknown volume attribute ${unknownAttributes(request).join(', ')}; known: ${KNOWN_ATTRIBUTES.join(', ')}`,
  },
];

/**
 * Reads a NodePublishVolume request. The rules are asked in order, the first that fails is thrown:
 * `InvalidRequest` (INVALID_ARGUMENT) for what the pod's author must change, `InvalidConfiguration`
 * (FAILED_PRECONDITION) for what the cluster's administrator must.
 */
export function readPublishRequest(request: PublishRequest, kubeletRoot: string): PublishedVolume {
  enforce(ADDRESS_RULES, request, kubeletRoot);
  enforce(PUBLISH_RULES, request, kubeletRoot);
  const { volumeId, targetPath, volumeContext } = request;
  const group = groupOf(request);
  return {
    volumeId,
    targetPath,
    podUid: volumeContext[POD_UID] ?? '',
    podNamespace: volumeContext[POD_NAMESPACE] ?? '',
    podName: volumeContext[POD_NAME] ?? '',
    ...(typeof group === 'number' && { fsGroup: group }),
    attributes: Object.fromEntries(ownAttributes(request)),
  };
}

/** Reads a NodeUnpublishVolume request; throws `InvalidRequest` where we must not touch the path. */
export function readUnpublishRequest(request: UnpublishRequest, kubeletRoot: string): UnpublishRequest {
  enforce(ADDRESS_RULES, request, kubeletRoot);
  return { volumeId: request.volumeId, targetPath: request.targetPath };
}

function enforce<Request>(rules: readonly Rule<Request>[], request: Request, kubeletRoot: string): void {
  const broken = rules.find((rule) => !rule.holds(request, kubeletRoot));
  if (broken) throw new KeysteadError(broken.code, broken.message(request, kubeletRoot));
}

function mountOf({ volumeCapability }: PublishRequest): { mountFlags: readonly string[]; volumeMountGroup: string } {
  const type = volumeCapability?.accessType;
  return type?.case === 'mount' ? type.value : { mountFlags: [], volumeMountGroup: '' };
}

function groupOf(request: PublishRequest): number | 'invalid' | undefined {
  const { volumeMountGroup } = mountOf(request);
  if (volumeMountGroup === '') return undefined;
  const group = /^\d{1,10}$/.test(volumeMountGroup) ? Number(volumeMountGroup) : Infinity;
  return group <= MAX_GID ? group : 'invalid';
}

const ownAttributes = ({ volumeContext }: PublishRequest): [string, string][] =>
  Object.entries(volumeContext).filter(([key]) => !key.startsWith(KUBELET_PREFIX));

const unknownAttributes = (request: PublishRequest): string[] =>
  ownAttributes(request).flatMap(([key]) => (KNOWN_ATTRIBUTES.includes(key) ? [] : [key]));
