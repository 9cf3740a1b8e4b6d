// SPDX-License-Identifier: Apache-2.0
import type { DaemonSet, Deployment } from '../kube/kinds.ts';

/** How far a workload has come. */
export interface WorkloadState {
  readonly desired: number;
  readonly ready: number;
  /** Whether the status speaks of the current template and all pods are of it. */
  readonly current: boolean;
}

export function deploymentState({ metadata, spec, status = {} }: Deployment): WorkloadState {
  const desired = spec?.replicas ?? 1;
  const seen = (status.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  return { desired, ready: status.readyReplicas ?? 0, current: seen && (status.updatedReplicas ?? 0) >= desired };
}

export function daemonSetState({ metadata, status = {} }: DaemonSet): WorkloadState {
  const desired = status.desiredNumberScheduled ?? 0;
  const seen = (status.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  return { desired, ready: status.numberReady ?? 0, current: seen && (status.updatedNumberScheduled ?? 0) >= desired };
}
