// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../api/pod.ts';
import { edgeModules } from '../api/resources.ts';
import { asKeysteadError, KeysteadError } from '../errors.ts';
import type { Explanation } from '../identity/explanation.ts';
import { standInUid } from '../identity/host-module.ts';
import { AGENT_PORT, componentSelector, PODS, proxied } from './kinds.ts';
import type { Cluster } from './port.ts';

/** Which pod it is, as the user names it. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Asks the agent on a pod's node what it found out about the pod. The way leads through the API server, which checks
 * that the user may `get pods/proxy` where Keystead is installed.
 */
export async function explanation(cluster: Cluster, pod: PodName, systemNamespace?: string): Promise<Explanation> {
  const { metadata, spec } = (await cluster.get(PODS, pod)) as Pick<Pod, 'metadata' | 'spec'>;
  if (!spec.nodeName) {
    const remedy = 'kubectl describe pod says why it is not scheduled';
    throw new KeysteadError('NotFound', `pod ${pod.namespace}/${pod.name} is on no node yet; ${remedy}`);
  }
  const agent = await agentOn(cluster, spec.nodeName, systemNamespace);
  return ask(cluster, agent, { page: 'explain', name: metadata.uid, node: spec.nodeName });
}

/** A module of the host, on a node of it; without a node the cluster must have one agent only. */
export interface HostModuleName {
  readonly namespace: string;
  readonly module: string;
  readonly node: string | undefined;
}

/** What the agent of a node found out about a module of the host. The way is the same. */
export async function hostExplanation(
  cluster: Cluster,
  { namespace, module, node }: HostModuleName,
  systemNamespace?: string,
): Promise<Explanation> {
  const { metadata, spec } = await cluster.get(edgeModules, { namespace, name: module });
  if (!spec.host) {
    const remedy = `EdgeModule ${namespace}/${module} is a module in pods: explain one of those, as keystead explain pod/NAME`;
    throw new KeysteadError('InvalidRequest', `expected a module of the host; ${remedy}`);
  }
  const on = node ?? (await onlyNode(cluster, systemNamespace));
  const agent = await agentOn(cluster, on, systemNamespace);
  return ask(cluster, agent, { page: 'explain', name: standInUid(metadata.uid ?? '', on), node: on });
}

/** Which process it is, as the user names it. Without a node the cluster must have one agent only. */
export interface ProcessName {
  readonly pid: number;
  readonly node: string | undefined;
}

/** Has the agent of a node judge one of the node's processes now. The way is the same. */
export async function processExplanation(
  cluster: Cluster,
  { pid, node }: ProcessName,
  systemNamespace?: string,
): Promise<Explanation> {
  const on = node ?? (await onlyNode(cluster, systemNamespace));
  const agent = await agentOn(cluster, on, systemNamespace);
  return ask(cluster, agent, { page: 'explain-process', name: String(pid), node: on });
}

interface Question {
  readonly page: string;
  readonly name: string;
  readonly node: string;
}

async function ask(cluster: Cluster, agent: PodName, { page, name, node }: Question): Promise<Explanation> {
  try {
    // Not an object of the API, though it comes by it: what the agent of the same release answers.
    const resource = proxied(agent.name, AGENT_PORT, page);
    return (await cluster.get(resource, { namespace: agent.namespace, name })) as unknown as Explanation;
  } catch (thrown) {
    throw told(thrown, agent, node);
  }
}

async function onlyNode(cluster: Cluster, namespace: string | undefined): Promise<string> {
  const agents = await cluster.list(PODS, { labelSelector: componentSelector('node'), namespace });
  const nodes = new Set(agents.flatMap(({ spec }) => spec?.nodeName ?? []));
  const [node] = nodes;
  if (node !== undefined && nodes.size === 1) return node;
  const found = nodes.size === 0 ? 'none' : [...nodes].sort().join(', ');
  throw new KeysteadError(
    'InvalidRequest',
    `expected one node with an agent, found ${found}; name the process's with --node`,
  );
}

/** The agent's own words where it knows nothing of the pod, and what is lacking where the user may not ask it. */
function told(thrown: unknown, agent: PodName, node: string): KeysteadError {
  const error = asKeysteadError(thrown);
  if (error.code === 'PermissionDenied') {
    const needed = `the verb get on pods/proxy in namespace ${agent.namespace}`;
    return new KeysteadError(error.code, `you need ${needed} to ask the agent: ${error.message}`, { cause: error });
  }
  if (error.code !== 'NotFound') return error;
  const said = /HTTP 404 (.*)$/s.exec(error.message)?.[1] ?? error.message;
  const older = said.startsWith('not found: try') ? 'it is older than this program and cannot explain' : said;
  return new KeysteadError(error.code, `the agent on node ${node} says: ${older}`, { cause: error });
}

/** The agent's pod on a node. Throws NotFound. */
export async function agentOn(cluster: Cluster, node: string, namespace: string | undefined): Promise<PodName> {
  const selection = { labelSelector: componentSelector('node'), fieldSelector: `spec.nodeName=${node}`, namespace };
  const agents = await cluster.list(PODS, selection);
  const [agent] = agents.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  if (agent) return { namespace: agent.metadata?.namespace ?? '', name: agent.metadata?.name ?? '' };
  const place = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const remedy = "check the node selector and tolerations of Keystead's DaemonSet, or run keystead check";
  throw new KeysteadError('NotFound', `no agent of Keystead runs on node ${node}${place}; ${remedy}`);
}
