// SPDX-License-Identifier: Apache-2.0
import { trimPod, type Pod } from '../../api/pod.ts';
import { edgeDevices, edgeModules, moduleIdentities, trustBundles } from '../../api/resources.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity, TrustBundle } from '../../api/v1alpha1/index.ts';
import type { MomentEvidence } from '../../attest/port.ts';
import { pods, Reflector, type KubeClient, type KubeObject } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';

/** What the agent knows of the cluster. It reads from here only, so that it goes on while the API server is away. */
export interface AgentCaches {
  /** Pods of this node. */
  readonly pods: Reflector<KubeObject, Pod & KubeObject>;
  readonly modules: Reflector<EdgeModule>;
  readonly identities: Reflector<ModuleIdentity>;
  /** This node's EdgeDevice alone. */
  readonly devices: Reflector<EdgeDevice>;
  readonly bundles: Reflector<TrustBundle>;
  /** Now, milliseconds since the Unix epoch: by the API server's clock once it has answered, so that who sets this node's gains nothing. */
  now(): number;
  all(): readonly Reflector[];
}

export function agentCaches(client: KubeClient, node: string, log: Logger): AgentCaches {
  const common = { client, log };
  const caches = {
    pods: new Reflector<KubeObject, Pod & KubeObject>({
      ...common,
      resource: pods,
      selection: { fieldSelector: `spec.nodeName=${node}` },
      transform: (full) => trimPod(full as Pod),
      indexes: { uid: ({ metadata }) => [metadata.uid], namespace: ({ metadata }) => [metadata.namespace] },
    }),
    modules: new Reflector<EdgeModule>({
      ...common,
      resource: edgeModules,
      indexes: { namespace: ({ metadata }) => [metadata.namespace ?? ''] },
    }),
    identities: new Reflector<ModuleIdentity>({
      ...common,
      resource: moduleIdentities,
      indexes: {
        uid: ({ metadata }) => [metadata.uid ?? ''],
        namespace: ({ metadata }) => [metadata.namespace ?? ''],
        module: ({ metadata, spec }) => [`${metadata.namespace ?? ''}/${spec.moduleRef.name}`],
      },
    }),
    devices: new Reflector<EdgeDevice>({
      ...common,
      resource: edgeDevices,
      selection: { fieldSelector: `metadata.name=${node}` },
    }),
    bundles: new Reflector<TrustBundle>({ ...common, resource: trustBundles }),
  };
  const now = (): number => client.serverTimeMs ?? Date.now();
  return { ...caches, now, all: () => Object.values(caches) as unknown as Reflector[] };
}

/** Now, and for how long pods and modules may have changed unseen. */
export function momentOf({
  pods: ofNode,
  modules,
  now,
}: Pick<AgentCaches, 'pods' | 'modules' | 'now'>): MomentEvidence {
  return { now: now(), staleMs: Math.max(ofNode.awayMs, modules.awayMs) };
}
