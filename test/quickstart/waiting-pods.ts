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

interface Event extends KubeObject {
  readonly reason: string;
  readonly message: string;
}

/** What pods of a namespace wait for other than their turn: an image, or else what the last warning says. Empty: nothing. */
export async function troubles(kubectl: Kubectl, namespace: string): Promise<string> {
  const pods = await kubectl.list<Pod>(['-n', namespace, 'pods']);
  const found = pods.flatMap(({ metadata, status }) =>
    [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])].flatMap(({ state }) => {
      const { reason = '', message = '' } = state?.waiting ?? {};
      return reason === '' || ORDINARY.has(reason) ? [] : [`${metadata.name}: ${reason}: ${message}`];
    }),
  );
  if (found.length > 0) return `; ${found.join('; ')}`;
  const selection = ['--field-selector', 'type=Warning', '--sort-by', '.metadata.creationTimestamp'];
  const last = (await kubectl.list<Event>(['-n', namespace, 'events', ...selection])).at(-1);
  return last === undefined ? '' : `; last warning: ${last.reason}: ${last.message}`;
}
