// SPDX-License-Identifier: Apache-2.0
import { resource, type KubeObject, type ObjectMeta, type Resource } from './resource.ts';

/*
 * The kinds of Kubernetes itself that Keystead touches, cut down to the fields that it reads or writes. What a user
 * wrote is passed through as it is.
 */

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  observedGeneration?: number;
}

export interface Container {
  name: string;
  image?: string;
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
  securityContext?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Volume {
  name: string;
  csi?: { driver: string; readOnly?: boolean; volumeAttributes?: Record<string, string> };
  secret?: { secretName?: string; defaultMode?: number; optional?: boolean };
  [source: string]: unknown;
}

export interface PodSpec {
  nodeName?: string;
  serviceAccountName?: string;
  hostPID?: boolean;
  shareProcessNamespace?: boolean;
  readinessGates?: { conditionType: string }[];
  volumes?: Volume[];
  initContainers?: Container[];
  containers: Container[];
  ephemeralContainers?: Container[];
  securityContext?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface ContainerStatus {
  name: string;
  containerID?: string;
  imageID?: string;
  image?: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: { running?: { startedAt?: string }; waiting?: { reason?: string; message?: string }; terminated?: unknown };
}

export interface Pod extends KubeObject {
  spec?: PodSpec;
  status?: {
    phase?: string;
    podIP?: string;
    conditions?: Condition[];
    containerStatuses?: ContainerStatus[];
    initContainerStatuses?: ContainerStatus[];
    ephemeralContainerStatuses?: ContainerStatus[];
  };
}

export interface PodTemplate {
  metadata?: ObjectMeta;
  spec: PodSpec;
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface Deployment extends KubeObject {
  spec?: {
    replicas?: number;
    selector: LabelSelector;
    template: PodTemplate;
  };
  status?: {
    observedGeneration?: number;
    replicas?: number;
    readyReplicas?: number;
    updatedReplicas?: number;
    availableReplicas?: number;
    conditions?: Condition[];
  };
}

export interface DaemonSet extends KubeObject {
  spec?: { selector: LabelSelector; template: PodTemplate };
  status?: {
    observedGeneration?: number;
    desiredNumberScheduled?: number;
    numberReady?: number;
    updatedNumberScheduled?: number;
  };
}

export interface Node extends KubeObject {
  spec?: { unschedulable?: boolean };
  status?: { conditions?: Condition[]; nodeInfo?: Record<string, string> };
}

export interface Namespace extends KubeObject {
  status?: { phase?: string };
}

export interface Secret extends KubeObject {
  type?: string;
  immutable?: boolean;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

export interface ConfigMap extends KubeObject {
  immutable?: boolean;
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface ObjectReference {
  apiVersion?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  uid?: string;
  resourceVersion?: string;
}

/** `events.k8s.io/v1`. */
export interface KubeEvent extends KubeObject {
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
  regarding: ObjectReference;
  series?: { count: number; lastObservedTime: string };
}

export interface ClusterTrustBundle extends KubeObject {
  spec?: { signerName?: string; trustBundle: string };
}

export const pods: Resource<Pod> = resource('', 'v1', ['pods', 'Pod']);
export const nodes: Resource<Node> = resource('', 'v1', ['nodes', 'Node'], 'Cluster');
export const namespaces: Resource<Namespace> = resource('', 'v1', ['namespaces', 'Namespace'], 'Cluster');
export const secrets: Resource<Secret> = resource('', 'v1', ['secrets', 'Secret']);
export const configMaps: Resource<ConfigMap> = resource('', 'v1', ['configmaps', 'ConfigMap']);
export const deployments: Resource<Deployment> = resource('apps', 'v1', ['deployments', 'Deployment']);
export const daemonSets: Resource<DaemonSet> = resource('apps', 'v1', ['daemonsets', 'DaemonSet']);
export const leases: Resource<Lease> = resource('coordination.k8s.io', 'v1', ['leases', 'Lease']);
export const kubeEvents: Resource<KubeEvent> = resource('events.k8s.io', 'v1', ['events', 'Event']);
/** Newest first: the version to use is the first that the server serves. */
export const clusterTrustBundles: readonly Resource<ClusterTrustBundle>[] = ['v1', 'v1beta1'].map((version) =>
  resource('certificates.k8s.io', version, ['clustertrustbundles', 'ClusterTrustBundle'], 'Cluster'),
);
