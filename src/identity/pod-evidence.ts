// SPDX-License-Identifier: Apache-2.0
import { CSI_DRIVER } from '../api/names.ts';
import type { Pod, PodContainer } from '../api/pod.ts';
import type { OwnerEvidence, PodEvidence, ProbeEvidence } from '../attest/port.ts';
import { podCommand } from './pod-command.ts';

const names = (containers: readonly PodContainer[] | undefined): string[] => (containers ?? []).map(({ name }) => name);

/**
 * The pod as attestation judges it. `secretNames` are the Secrets into which identities of the pod's modules are
 * delivered: a container that mounts one of them holds the identity just as one that mounts the CSI volume does.
 * `owners`: the chain of those that control the pod, where it is known.
 */
export function podEvidence(
  pod: Pod,
  secretNames: ReadonlySet<string> = new Set(),
  owners?: readonly OwnerEvidence[],
): PodEvidence {
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
    privileged: names(all.filter(({ securityContext }) => securityContext?.privileged === true)),
    probes: Object.fromEntries(spec.containers.flatMap((container) => probesOf(container))),
    commands: Object.fromEntries(spec.containers.map((container) => [container.name, podCommand(container)])),
    ...(owners && { owners }),
  };
}

/** What the kubelet executes in a container by itself, under the container's name. */
function probesOf({ name, lifecycle, ...container }: PodContainer): [string, ProbeEvidence][] {
  const probes = [container.livenessProbe, container.readinessProbe, container.startupProbe];
  const executing = [
    ...probes.map((probe) => ({ ...probe, seconds: (probe?.timeoutSeconds ?? 1) + PROBE_SLACK_SECONDS })),
    ...[lifecycle?.postStart, lifecycle?.preStop].map((hook) => ({ ...hook, seconds: HOOK_SECONDS })),
  ].flatMap(({ exec, seconds }) => (exec?.command ? [{ command: exec.command, seconds }] : []));
  if (executing.length === 0) return [];
  const seconds = Math.max(...executing.map((each) => each.seconds));
  return [[name, { commands: executing.map(({ command }) => command), seconds }]];
}

/** The kubelet ends a probe some time after its timeout. Of hooks it awaits the end; none that is well takes longer. */
const PROBE_SLACK_SECONDS = 2;
const HOOK_SECONDS = 60;

/** Whether a pod has ended for good, so that nothing in it can hold an identity. */
export function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
