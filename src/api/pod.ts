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
  };
}

export interface PodContainer {
  readonly name: string;
  readonly volumeMounts?: readonly { readonly name: string }[];
}

export interface PodVolume {
  readonly name: string;
  readonly csi?: { readonly driver: string; readonly volumeAttributes?: Readonly<Record<string, string>> };
  readonly secret?: { readonly secretName?: string };
}

const container = (full: PodContainer): PodContainer => ({
  name: full.name,
  volumeMounts: (full.volumeMounts ?? []).map(({ name }) => ({ name })),
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

/** Drops what is not in `Pod`: an edge node's cache holds some hundred bytes a pod. */
export function trimPod({ metadata, spec, status = {} }: Pod): Pod {
  return {
    metadata: only(metadata, ['namespace', 'name', 'uid', 'labels', 'deletionTimestamp', 'resourceVersion']),
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
    },
  };
}
