// SPDX-License-Identifier: Apache-2.0
import { PodOwners, type OwningObject } from '../../../controllers/pod-owners.ts';
import type { PodOwner } from '../../api/pod.ts';
import { KeysteadError } from '../../errors.ts';
import { daemonSets, deployments, isApiError, replicaSets, type KubeClient, type Resource } from '../../kube/index.ts';

/** The kinds that a module's pods are made by. */
const KINDS: ReadonlyMap<string, Resource> = new Map(
  [replicaSets, deployments, daemonSets].map((resource) => [resource.kind, resource] as const),
);

/** The owners of this node's pods, as the API server has them. */
export function podOwners(client: Pick<KubeClient, 'find'>): PodOwners {
  return new PodOwners({ find: (owner, namespace) => findOwner(client, owner, namespace) });
}

/** Asks the API server for an owner; undefined where it is gone or of another kind. Throws `Unavailable`. */
async function findOwner(
  client: Pick<KubeClient, 'find'>,
  { kind, name }: PodOwner,
  namespace: string,
): Promise<OwningObject | undefined> {
  const resource = KINDS.get(kind);
  if (resource === undefined) return undefined;
  try {
    return await client.find(resource, { namespace, name });
  } catch (error) {
    if (!isApiError(error)) throw error;
    const message = `${kind} ${namespace}/${name}, which owns a pod of a module, cannot be read: ${error.message}`;
    throw new KeysteadError('Unavailable', message, { cause: error });
  }
}
