// SPDX-License-Identifier: Apache-2.0
import { MODULE_LABEL, TRUST_BUNDLE_LABEL } from '../../api/names.ts';
import type { Pod } from '../../api/pod.ts';
import { edgeDevices, edgeModules, moduleIdentities, trustBundles } from '../../api/resources.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity, TrustBundle } from '../../api/v1alpha1/index.ts';
import { claimedNames } from '../../identity/spiffe-claim.ts';
import {
  configMaps,
  daemonSets,
  deployments,
  namespaces,
  nodes,
  pods,
  Reflector,
  type DaemonSet,
  type Deployment,
  type KubeClient,
  type KubeObject,
  type Namespace,
  type ObjectMeta,
} from '../../kube/index.ts';
import type { Logger } from '../../log.ts';

/** What the controller knows of the cluster, cut down to what it looks at. Each index is named for what it finds by. */
export interface ControllerCaches {
  readonly modules: Reflector<EdgeModule>;
  readonly identities: Reflector<ModuleIdentity>;
  readonly devices: Reflector<EdgeDevice>;
  readonly bundles: Reflector<TrustBundle>;
  readonly pods: Reflector<KubeObject, Pod & KubeObject>;
  readonly deployments: Reflector<Deployment>;
  readonly daemonSets: Reflector<DaemonSet>;
  /** Metadata alone. */
  readonly nodes: Reflector;
  readonly configMaps: Reflector;
  readonly namespaces: Reflector<Namespace>;
}

/** All of them, for what is done with each whatever its kind. */
export function each(caches: ControllerCaches): Reflector[] {
  return Object.values(caches as unknown as Record<string, Reflector>);
}

export function controllerCaches(client: KubeClient, log: Logger): ControllerCaches {
  const common = { client, log };
  return {
    modules: new Reflector<EdgeModule>({
      ...common,
      resource: edgeModules,
      indexes: {
        namespace: ({ metadata }) => [metadata.namespace ?? ''],
        selecting: ({ metadata, spec }) => (spec.selector ? [metadata.namespace ?? ''] : []),
      },
    }),
    identities: new Reflector<ModuleIdentity>({
      ...common,
      resource: moduleIdentities,
      indexes: {
        module: ({ metadata, spec }) => [`${metadata.namespace ?? ''}/${spec.moduleRef.name}`],
        claim: claimedNames,
        node: ({ status }) => [...new Set((status?.holders ?? []).map(({ node }) => node))],
      },
    }),
    devices: new Reflector<EdgeDevice>({ ...common, resource: edgeDevices }),
    bundles: new Reflector<TrustBundle>({ ...common, resource: trustBundles }),
    pods: new Reflector<KubeObject, Pod & KubeObject>({
      ...common,
      resource: pods,
      transform: (full) => podSummary(full as Pod),
      indexes: {
        uid: ({ metadata }) => [metadata.uid],
        namespace: ({ metadata }) => [metadata.namespace],
        module: ({ metadata: { namespace, labels } }) => {
          const module = labels?.[MODULE_LABEL];
          return module === undefined ? [] : [`${namespace}/${module}`];
        },
      },
    }),
    deployments: new Reflector<Deployment>({ ...common, resource: deployments, transform: withoutTemplate }),
    daemonSets: new Reflector<DaemonSet>({ ...common, resource: daemonSets, transform: withoutTemplate }),
    nodes: new Reflector({ ...common, resource: nodes, metadataOnly: true, transform: metadataOf }),
    configMaps: new Reflector({
      ...common,
      resource: configMaps,
      metadataOnly: true,
      transform: metadataOf,
      indexes: {
        bundle: ({ metadata }) => {
          const bundle = metadata?.labels?.[TRUST_BUNDLE_LABEL];
          return bundle === undefined ? [] : [bundle];
        },
      },
    }),
    namespaces: new Reflector<Namespace>({ ...common, resource: namespaces }),
  };
}

/** Annotations may be large and are looked at by nobody here. */
function trimmed({ name, namespace, uid, resourceVersion, ...rest }: ObjectMeta): ObjectMeta {
  const { generation, labels, deletionTimestamp, ownerReferences } = rest;
  return {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(generation !== undefined && { generation }),
    ...(labels && { labels }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(ownerReferences && { ownerReferences }),
  };
}

function metadataOf({ metadata = {} }: KubeObject): KubeObject {
  return { metadata: trimmed(metadata) };
}

const NO_TEMPLATE = { selector: {}, template: { spec: { containers: [] } } } as const;

function withoutTemplate<T extends Deployment | DaemonSet>({ metadata = {}, spec, status }: T): T {
  const replicas = spec && 'replicas' in spec ? spec.replicas : undefined;
  const kept = { ...NO_TEMPLATE, ...(replicas !== undefined && { replicas }) };
  return { metadata: trimmed(metadata), spec: kept, ...(status && { status }) } as unknown as T;
}

/** No containers or volumes: whether a pod is what it should be is the agents' business. */
function podSummary({ metadata, status }: Pod): Pod & KubeObject {
  const { namespace, name, uid, labels, deletionTimestamp, resourceVersion } = metadata;
  return {
    metadata: {
      namespace,
      name,
      uid,
      ...(labels && { labels }),
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    spec: { containers: [] },
    status: {
      ...(status?.phase !== undefined && { phase: status.phase }),
      conditions: (status?.conditions ?? []).map(({ type, status: holds }) => ({ type, status: holds })),
    },
  };
}
