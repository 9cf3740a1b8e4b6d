// SPDX-License-Identifier: Apache-2.0
import type { Kubectl, KubeObject } from './kubectl.ts';

interface ContainerStatus {
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
}

interface Pod extends KubeObject {
  readonly status: {
    readonly initContainerStatuses?: readonly ContainerStatus[];
    readonly containerStatuses?: readonly ContainerStatus[];
  };
}

/** Reasons that every starting pod gives for a while. */
const ORDINARY = new Set(['PodInitializing', 'ContainerCreating']);

/** What pods of a namespace wait for other than their turn, for example an image; empty where there is nothing. */
export async function troubles(kubectl: Kubectl, namespace: string): Promise<string> {
  const pods = await kubectl.list<Pod>(['-n', namespace, 'pods']);
  const found = pods.flatMap(({ metadata, status }) =>
    [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].flatMap(({ state }) => {
      const { reason = '', message = '' } = state?.waiting ?? {};
      return reason === '' || ORDINARY.has(reason) ? [] : [`${metadata.name}: ${reason}: ${message}`];
    }),
  );
  return found.length === 0 ? '' : `; ${found.join('; ')}`;
}
