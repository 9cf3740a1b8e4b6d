// SPDX-License-Identifier: Apache-2.0
import type { Condition as ApiCondition } from '../api/conditions.ts';
import type { LabelSelector } from '../api/label-selector.ts';
import { resource, type KubeObject, type ObjectMeta, type Resource } from './resource.ts';

/*
 * The kinds of Kubernetes itself that Keystead touches, cut down to the fields that it reads or writes. What a user
 * wrote is passed through as it is.
 */

/** As in the API, where only type and status are always there. */
export type Condition = Pick<ApiCondition, 'type' | 'status'> & Partial<ApiCondition>;

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly subPath?: string;
  }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface Volume {
  readonly name: string;
  readonly csi?: {
    readonly driver: string;
    readonly readOnly?: boolean;
    readonly volumeAttributes?: Readonly<Record<string, string>>;
    readonly nodePublishSecretRef?: { readonly name: string };
  };
  readonly secret?: { readonly secretName?: string; readonly defaultMode?: number; readonly optional?: boolean };
  readonly [source: string]: unknown;
}

export interface PodSpec {
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
  readonly hostPID?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly volumes?: readonly Volume[];
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly ephemeralContainers?: readonly Container[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

export interface ContainerStatus {
  readonly name: string;
  readonly containerID?: string;
  readonly imageID?: string;
  readonly image?: string;
  readonly ready?: boolean;
  readonly started?: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly running?: { readonly startedAt?: string };
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly terminated?: unknown;
  };
}

export interface Pod extends KubeObject {
  readonly spec?: PodSpec;
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface PodTemplate {
  readonly metadata?: ObjectMeta;
  readonly spec: PodSpec;
}

export interface Deployment extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly Condition[];
  };
}

export interface DaemonSet extends KubeObject {
  readonly spec?: { readonly selector: LabelSelector; readonly template: PodTemplate };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly desiredNumberScheduled?: number;
    readonly numberReady?: number;
    readonly updatedNumberScheduled?: number;
  };
}

export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly nodeInfo?: Readonly<Record<string, string>>;
  };
}

export interface Namespace extends KubeObject {
  readonly status?: { readonly phase?: string };
}

export interface Secret extends KubeObject {
  readonly type?: string;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

export interface ConfigMap extends KubeObject {
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** `events.k8s.io/v1`. */
export interface KubeEvent extends KubeObject {
  readonly eventTime: string;
  readonly reportingController: string;
  readonly reportingInstance: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  readonly regarding: ObjectReference;
  readonly series?: { readonly count: number; readonly lastObservedTime: string };
}

export interface ClusterTrustBundle extends KubeObject {
  readonly spec?: { signerName?: string; trustBundle: string };
}

export const pods: Resource<Pod> = resource('', 'v1', ['pods', 'Pod']);
export const nodes: Resource<Node> = resource('', 'v1', ['nodes', 'Node'], 'Cluster');
export const namespaces: Resource<Namespace> = resource('', 'v1', ['namespaces', 'Namespace'], 'Cluster');
export const secrets: Resource<Secret> = resource('', 'v1', ['secrets', 'Secret']);
export const configMaps: Resource<ConfigMap> = resource('', 'v1', ['configmaps', 'ConfigMap']);
export const deployments: Resource<Deployment> = resource('apps', 'v1', ['deployments', 'Deployment']);
export const replicaSets: Resource = resource('apps', 'v1', ['replicasets', 'ReplicaSet']);
export const daemonSets: Resource<DaemonSet> = resource('apps', 'v1', ['daemonsets', 'DaemonSet']);
export const leases: Resource<Lease> = resource('coordination.k8s.io', 'v1', ['leases', 'Lease']);
export const kubeEvents: Resource<KubeEvent> = resource('events.k8s.io', 'v1', ['events', 'Event']);
/** Newest first: the version to use is the first that the server serves. */
export const clusterTrustBundles: readonly Resource<ClusterTrustBundle>[] = ['v1', 'v1beta1'].map((version) =>
  resource('certificates.k8s.io', version, ['clustertrustbundles', 'ClusterTrustBundle'], 'Cluster'),
);
