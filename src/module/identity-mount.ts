// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { CSI_DRIVER, IDENTITY_ATTRIBUTE, MOUNT_PATH, SPIFFE_SOCKET, SPIFFE_SOCKET_VARIABLE } from '../api/names.ts';
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import { secretName, type Refusal } from '../identity/holding.ts';
import type { Container, PodSpec, Volume } from '../kube/kinds.ts';
import { iotEdgeEnvironment } from './iot-edge-environment.ts';

type Variables = NonNullable<Container['env']>;

/** A volume for a pod, and where its module container mounts it. */
export interface IdentityMount {
  readonly volume: Volume;
  readonly mountPath: string;
  /** By which the module finds the APIs in the volume. */
  readonly environment: Readonly<Record<'spiffe' | 'iotEdge', Variables>>;
}

/**
 * How a module's identities come into its pod. One identity lies directly under `/var/run/keystead`; of several
 * each lies in a folder of its name below. `Volume` and `Socket` delivery take the identity volume, `Secret` delivery
 * alone the Secret. An identity that the template mounts itself, through a CSI volume of Keystead's driver, is left to it.
 */
export function identityMounts(identities: readonly ModuleIdentity[], spec: PodSpec): IdentityMount[] {
  const own = (spec.volumes ?? []).filter(({ csi }) => csi?.driver === CSI_DRIVER);
  const handled = new Set(
    own.map(({ csi }) => csi?.volumeAttributes?.[IDENTITY_ATTRIBUTE] ?? identities[0]?.metadata.name),
  );
  const several = identities.length > 1;
  return [...identities]
    .sort((left, right) => ((left.metadata.name ?? '') < (right.metadata.name ?? '') ? -1 : 1))
    .filter(({ metadata }) => !handled.has(metadata.name))
    .map((identity) => {
      const { name = '' } = identity.metadata;
      // Names of volumes are shorter than names of identities may be, and know no dots.
      const suffix = several ? `-${createHash('sha256').update(name).digest('hex').slice(0, 8)}` : '';
      const mountPath = several ? `${MOUNT_PATH}/${name}` : MOUNT_PATH;
      return {
        volume: { name: `keystead-identity${suffix}`, ...volumeSource(identity) },
        mountPath,
        environment: {
          spiffe: spiffeEnvironment(identity, mountPath),
          iotEdge: iotEdgeEnvironment(identity, mountPath),
        },
      };
    });
}

function volumeSource(identity: ModuleIdentity): Omit<Volume, 'name'> {
  const secret = secretName(identity);
  if (secret !== undefined && identity.spec.delivery.length === 1) return { secret: { secretName: secret } };
  const volumeAttributes = { [IDENTITY_ATTRIBUTE]: identity.metadata.name ?? '' };
  // The kubelet hands the Secret to the node's agent, not to the pod.
  const keys = identity.spec.iotEdge?.keysSecretName;
  const nodePublishSecretRef = keys === undefined ? {} : { nodePublishSecretRef: { name: keys } };
  return { csi: { driver: CSI_DRIVER, readOnly: true, volumeAttributes, ...nodePublishSecretRef } };
}

function spiffeEnvironment({ spec }: ModuleIdentity, mountPath: string): Variables {
  if (!spec.delivery.includes('Socket')) return [];
  return [{ name: SPIFFE_SOCKET_VARIABLE, value: `unix://${mountPath}/${SPIFFE_SOCKET}` }];
}

/** Why the mounts do not go together with the template's own volumes and mounts; undefined where they do. */
export function mountConflict(
  mounts: readonly IdentityMount[],
  spec: PodSpec,
  container: Container,
): Refusal | undefined {
  const names = new Set((spec.volumes ?? []).map(({ name }) => name));
  const taken = mounts.find(({ volume }) => names.has(volume.name));
  if (taken) {
    return {
      reason: 'VolumeNameTaken',
      message: `The template has a volume ${taken.volume.name}, the name of the identity's volume: rename the template's.`,
    };
  }
  const below = (container.volumeMounts ?? []).find(({ mountPath }) => lies(mountPath));
  if (mounts.length === 0 || !below) return undefined;
  return {
    reason: 'MountPathTaken',
    message: `Container ${container.name} mounts ${below.name} at ${below.mountPath}, where the identity goes: mount it outside of ${MOUNT_PATH}.`,
  };
}

/** Whether a path lies at or below the mount path, also by the name that /var/run links to. */
function lies(path: string): boolean {
  const clean = path
    .replace(/\/+/g, '/')
    .replace(/\/$/, '')
    .replace(/^\/run\//, '/var/run/');
  return clean === MOUNT_PATH || clean.startsWith(`${MOUNT_PATH}/`);
}
