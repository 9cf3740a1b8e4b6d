// SPDX-License-Identifier: Apache-2.0
import { CSI_DRIVER } from '../api/names.ts';
import type { Pod, PodContainer } from '../api/pod.ts';
import type { PodEvidence } from '../attest/port.ts';

const names = (containers: readonly PodContainer[] | undefined): string[] => (containers ?? []).map(({ name }) => name);

/**
 * The pod as attestation judges it. `secretNames` are the Secrets into which identities of the pod's modules are
 * delivered: a container that mounts one of them holds the identity just as one that mounts the CSI volume does.
 */
export function podEvidence(pod: Pod, secretNames: ReadonlySet<string> = new Set()): PodEvidence {
  const { metadata, spec } = pod;
  const volumes = new Set(
    (spec.volumes ?? [])
      .filter(({ csi, secret }) => csi?.driver === CSI_DRIVER || secretNames.has(secret?.secretName ?? ''))
      .map(({ name }) => name),
  );
  const all = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    name: metadata.name,
    node: spec.nodeName ?? '',
    labels: metadata.labels ?? {},
    serviceAccount: spec.serviceAccountName ?? 'default',
    hostPID: spec.hostPID ?? false,
    shareProcessNamespace: spec.shareProcessNamespace ?? false,
    deleting: metadata.deletionTimestamp !== undefined,
    containers: names(spec.containers),
    initContainers: names(spec.initContainers),
    ephemeralContainers: names(spec.ephemeralContainers),
    mounting: names(all.filter(({ volumeMounts = [] }) => volumeMounts.some(({ name }) => volumes.has(name)))),
  };
}

/** Whether a pod has ended for good, so that nothing in it can hold an identity. */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
