// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../../api/v1alpha1/index.ts';
import type { AgentCaches } from './caches.ts';
import type { NodePods } from './node-pods.ts';

/** What controllers ask of the caches. */
export interface ClusterView {
  /** A pod of this node. */
  pod(uid: string): Pod | undefined;
  /** This node's pods of a namespace. */
  pods(namespace: string): readonly Pod[];
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  /** By `namespace/name`. */
  identity(key: string): ModuleIdentity | undefined;
}

export function clusterView({ modules, identities }: AgentCaches, pods: NodePods): ClusterView {
  return {
    pod: (uid) => pods.get(uid),
    pods: (namespace) => pods.of(namespace),
    modules: (namespace) => modules.by('namespace', namespace),
    identities: (namespace, module) => identities.by('module', `${namespace}/${module}`),
    identity: (key) => identities.get(key),
  };
}
