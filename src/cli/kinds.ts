// SPDX-License-Identifier: Apache-2.0
import type { KubeObject, Pod, Resource } from '../kube/index.ts';

/*
 * The kinds of Kubernetes itself that the program reads, cut down to the fields that it looks at.
 */

export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
}

export interface CsiNode extends KubeObject {
  readonly spec?: { readonly drivers?: readonly { readonly name: string }[] };
}

export const PODS: Resource<Pod> = core('pods', 'Pod', true);
export const NODES: Resource<Node> = core('nodes', 'Node', false);
export const CSI_NODES: Resource<CsiNode> = storage('csinodes', 'CSINode');
export const CSI_DRIVERS: Resource = storage('csidrivers', 'CSIDriver');

function core(plural: string, kind: string, namespaced: boolean): Resource {
  return { group: '', version: 'v1', plural, kind, namespaced };
}

function storage(plural: string, kind: string): Resource {
  return { group: 'storage.k8s.io', version: 'v1', plural, kind, namespaced: false };
}

/** Labels that the chart gives the pods of a component, whatever the release is called. */
export function componentSelector(component: 'node' | 'controller'): string {
  return `app.kubernetes.io/part-of=keystead,app.kubernetes.io/component=${component}`;
}

/** The agent's health port, over which it also explains. */
export const AGENT_PORT = 9464;

/**
 * What a pod's HTTP server says at `<folder>/<name>`, passed on by the API server to those who may `get pods/proxy`
 * there.
 */
export function proxied(pod: string, port: number, folder: string): Resource {
  return core(`pods/${encodeURIComponent(`${pod}:${port}`)}/proxy/${folder}`, 'PodProxy', true);
}
