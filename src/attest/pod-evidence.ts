// SPDX-License-Identifier: Apache-2.0

/** The pod, as the API server (through this node's watch) describes it. */
export interface PodEvidence {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostPID: boolean;
  readonly shareProcessNamespace: boolean;
  readonly deleting: boolean;
  readonly containers: readonly string[];
  readonly initContainers: readonly string[];
  readonly ephemeralContainers: readonly string[];
  /** Names of the containers that mount the identity volume. */
  readonly mounting: readonly string[];
  /** Names of the containers that run privileged. */
  readonly privileged: readonly string[];
  /** Owners from the pod's controller upwards; undefined where they were not asked for. */
  readonly owners?: readonly OwnerEvidence[];
  /** What the kubelet executes in a container by itself, by the container's name; none has no entry. */
  readonly probes: Readonly<Record<string, ProbeEvidence>>;
  /** What each container is started with, where the pod says it rather than the image. */
  readonly commands: Readonly<Record<string, PodCommand>>;
}

/** Exec probes and lifecycle hooks of a container. */
export interface ProbeEvidence {
  readonly commands: readonly (readonly string[])[];
  /** How long the longest of them may run. */
  readonly seconds: number;
}

/** An object that controls the pod, or the one before it in the chain. */
export interface OwnerEvidence {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** `command` and `args` of a container as a pod spec has them, `$(NAME)` not expanded, with the variables that they name. */
export interface PodCommand {
  readonly command: readonly string[];
  readonly args: readonly string[];
  /** Of each variable that command and args name, its entry in `env` as JSON. */
  readonly variables: Readonly<Record<string, string>>;
}
