// SPDX-License-Identifier: Apache-2.0

/** The parts of a core/v1 Pod that Keystead looks at; everything else is dropped before caching. */
export interface Pod {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly resourceVersion?: string;
    readonly ownerReferences?: readonly PodOwner[];
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
    readonly hostPID?: boolean;
    readonly shareProcessNamespace?: boolean;
    readonly readinessGates?: readonly { readonly conditionType: string }[];
    readonly containers: readonly PodContainer[];
    readonly initContainers?: readonly PodContainer[];
    readonly ephemeralContainers?: readonly PodContainer[];
    readonly volumes?: readonly PodVolume[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason?: string }[];
    readonly containerStatuses?: readonly PodContainerStatus[];
  };
}

/** An owner of an object. One of them at most is its controller. */
export interface PodOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** What the kubelet says of a container. Times in RFC 3339, whole seconds. */
export interface PodContainerStatus {
  readonly name: string;
  /** With the runtime's name before it: `containerd://...`. */
  readonly containerID?: string;
  readonly state?: PodContainerState;
  /** How its last run ended. */
  readonly lastState?: PodContainerState;
}

/** One of them at most; neither while it waits to be started. */
export interface PodContainerState {
  readonly running?: { readonly startedAt?: string };
  readonly terminated?: { readonly exitCode: number; readonly startedAt?: string; readonly finishedAt?: string };
}

export interface PodContainer {
  readonly name: string;
  readonly image?: string;
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** Those entries alone that `$(NAME)` in command and args stands for. */
  readonly env?: readonly { readonly name: string }[];
  readonly securityContext?: { readonly privileged?: boolean };
  readonly livenessProbe?: Executing;
  readonly readinessProbe?: Executing;
  readonly startupProbe?: Executing;
  readonly lifecycle?: { readonly postStart?: Executing; readonly preStop?: Executing };
}

/** A probe or hook; only those that the kubelet executes in the container are of interest. */
export interface Executing {
  readonly exec?: { readonly command?: readonly string[] };
  readonly timeoutSeconds?: number;
}

export interface PodVolume {
  readonly name: string;
  readonly csi?: { readonly driver: string; readonly volumeAttributes?: Readonly<Record<string, string>> };
  readonly secret?: { readonly secretName?: string };
}

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const HOOKS = ['postStart', 'preStop'] as const;

const container = (full: PodContainer): PodContainer => ({
  ...only(full, ['name', 'image', 'command', 'args']),
  name: full.name,
  volumeMounts: (full.volumeMounts ?? []).map(({ name }) => ({ name })),
  ...(full.env && { env: referenced(full) }),
  ...(full.securityContext?.privileged && { securityContext: { privileged: true } }),
  ...executing(full, PROBES),
  ...(full.lifecycle && { lifecycle: executing(full.lifecycle, HOOKS) }),
});

function executing<K extends string>(
  from: Partial<Record<K, Executing>>,
  keys: readonly K[],
): Partial<Record<K, Executing>> {
  const found = keys.flatMap((key) => (from[key]?.exec ? [[key, only(from[key], ['exec', 'timeoutSeconds'])]] : []));
  return Object.fromEntries(found) as Partial<Record<K, Executing>>;
}

function referenced({ command = [], args = [], env = [] }: PodContainer): NonNullable<PodContainer['env']> {
  const texts = [...command, ...args];
  return env.filter(({ name }) => texts.some((text) => text.includes(`$(${name})`)));
}

const containerState = ({ running, terminated }: PodContainerState = {}): PodContainerState => ({
  ...(running && { running: only(running, ['startedAt']) }),
  ...(terminated && {
    terminated: { exitCode: terminated.exitCode, ...only(terminated, ['startedAt', 'finishedAt']) },
  }),
});

const containerStatus = ({ name, containerID, state, lastState }: PodContainerStatus): PodContainerStatus => ({
  name,
  ...(containerID && { containerID }),
  state: containerState(state),
  ...(lastState?.terminated && { lastState: containerState(lastState) }),
});

const volume = (full: PodVolume): PodVolume => ({
  name: full.name,
  ...(full.csi && { csi: full.csi }),
  ...(full.secret && { secret: full.secret }),
});

/** The members of `from` that `keys` name and that are set. */
function only<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.flatMap((key) => (from[key] ? [[key, from[key]]] : []))) as Pick<T, K>;
}

const NAMED = ['namespace', 'name', 'uid'] as const;

/** Drops what is not in `Pod`: an edge node's cache holds some hundred bytes a pod. */
export function trimPod({ metadata, spec, status = {} }: Pod): Pod {
  return {
    metadata: only(metadata, [...NAMED, 'labels', 'deletionTimestamp', 'resourceVersion', 'ownerReferences']),
    spec: {
      ...only(spec, ['nodeName', 'serviceAccountName', 'hostPID', 'shareProcessNamespace', 'readinessGates']),
      containers: spec.containers.map(container),
      initContainers: (spec.initContainers ?? []).map(container),
      ephemeralContainers: (spec.ephemeralContainers ?? []).map(container),
      volumes: (spec.volumes ?? []).filter((entry) => entry.csi ?? entry.secret).map(volume),
    },
    status: {
      ...only(status, ['phase']),
      conditions: (status.conditions ?? []).map((condition) => only(condition, ['type', 'status', 'reason'])),
      containerStatuses: (status.containerStatuses ?? []).map(containerStatus),
    },
  };
}
