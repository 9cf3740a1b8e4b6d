// SPDX-License-Identifier: Apache-2.0
import { callApi } from './api-client.ts';
import { KUBELET_API_USER } from './pki.ts';
import type { LabSettings } from './settings.ts';

interface NodeObject {
  readonly spec?: { readonly taints?: readonly { readonly key: string }[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';

function kubelet({ nodeName }: LabSettings): string {
  return `/api/v1/nodes/${nodeName}/proxy`;
}

/** Whether the API server says that it is ready. */
export async function apiServerReady(settings: LabSettings): Promise<boolean> {
  return answers(settings, '/readyz');
}

/**
 * Whether pods can be made in the default namespace and those that exist answer logs and exec: node Ready and without
 * taint, ServiceAccount there, and the kubelet itself (the node object may tell of one that has died) knows its pods.
 */
export async function nodeReady(settings: LabSettings): Promise<boolean> {
  const { status, body } = await callApi(settings, `/api/v1/nodes/${settings.nodeName}`).catch(() => ({
    status: 0,
    body: '',
  }));
  if (status !== 200) return false;
  const node = JSON.parse(body) as NodeObject;
  const ready =
    node.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
  if (!ready || (node.spec?.taints?.length ?? 0) > 0) return false;
  if (!(await answers(settings, '/api/v1/namespaces/default/serviceaccounts/default'))) return false;
  // The kubelet asks the runtime for this one, so it fails while the two have lost each other.
  return (await answers(settings, `${kubelet(settings)}/runningpods/`)) && (await kubeletKnowsPods(settings));
}

async function kubeletKnowsPods(settings: LabSettings): Promise<boolean> {
  const bound = await podUids(settings, `/api/v1/pods?fieldSelector=spec.nodeName=${settings.nodeName}`);
  const known = await podUids(settings, `${kubelet(settings)}/pods`);
  return known !== undefined && bound !== undefined && [...bound].every((uid) => known.has(uid));
}

async function podUids(settings: LabSettings, path: string): Promise<Set<string> | undefined> {
  const { status, body } = await callApi(settings, path).catch(() => ({ status: 0, body: '' }));
  if (status !== 200) return undefined;
  const { items } = JSON.parse(body) as { items: readonly { metadata: { uid: string } }[] | null };
  return new Set((items ?? []).map(({ metadata }) => metadata.uid));
}

/** Lets the API server use the kubelet's own API (logs, exec) and the cluster's DNS read Services. Idempotent. */
export async function grantRights(settings: LabSettings): Promise<void> {
  const rules = [
    { apiGroups: [''], resources: ['namespaces', 'pods', 'services'], verbs: ['list', 'watch'] },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
  ];
  await create(settings, 'clusterroles', { kind: 'ClusterRole', metadata: { name: 'keystead-lab:coredns' }, rules });
  await bind(settings, 'keystead-lab:coredns', 'keystead-lab:coredns');
  await bind(settings, KUBELET_API_USER, 'system:kubelet-api-admin');
}

function bind(settings: LabSettings, user: string, role: string): Promise<void> {
  return create(settings, 'clusterrolebindings', {
    kind: 'ClusterRoleBinding',
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
}

async function create(settings: LabSettings, resource: string, object: object): Promise<void> {
  const body = { apiVersion: 'rbac.authorization.k8s.io/v1', ...object };
  const answer = await callApi(settings, `${RBAC}/${resource}`, body);
  if (![201, 409].includes(answer.status)) throw new Error(`the API server refused ${resource}: ${answer.body}`);
}

async function answers(settings: LabSettings, path: string): Promise<boolean> {
  return callApi(settings, path).then(
    ({ status }) => status === 200,
    () => false,
  );
}
