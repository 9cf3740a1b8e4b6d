// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { readLab } from '../../lab/index.ts';
import { CHART, helm } from './helm.ts';

const execute = promisify(execFile);
const TEMPLATES = ['service-accounts', 'agent-rbac', 'agent-admission'];

/** A request as an agent makes it. kubectl will not do: it reads an object before it patches it, which an agent may not. */
export interface AgentRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** `application/<type>` of a patch. */
  readonly type?: 'merge-patch+json' | 'strategic-merge-patch+json' | 'apply-patch+yaml';
  readonly body?: object;
}

/** Makes a request; the error's message is what the API server said. */
export type AgentCall = (request: AgentRequest) => Promise<unknown>;

interface KubeConfig {
  readonly clusters: readonly {
    readonly cluster: {
      readonly server: string;
      readonly 'certificate-authority-data'?: string;
      readonly 'certificate-authority'?: string;
    };
  }[];
}

function callApi(url: URL, { token, ca }: { token: string; ca: Buffer }, what: AgentRequest): Promise<unknown> {
  const type = what.type === undefined ? 'application/json' : `application/${what.type}`;
  const headers = { authorization: `Bearer ${token}`, 'content-type': type };
  return new Promise((resolve, reject) => {
    const call = request(url, { method: what.method, ca, headers }, (response) => {
      text(response).then((body) => {
        const answer = JSON.parse(body) as { message?: string };
        if ((response.statusCode ?? 0) < 300) resolve(answer);
        else reject(new Error(answer.message));
      }, reject);
    });
    call.on('error', reject);
    call.end(what.body === undefined ? undefined : JSON.stringify(what.body));
  });
}

/**
 * The chart's agent as far as the API server knows it: account, role and admission policies, in a namespace and under
 * names of its own, and the means to call the API server as the agent of any node.
 */
export class Agents implements AsyncDisposable {
  readonly id = randomBytes(3).toString('hex');
  readonly namespace = `chart-${this.id}`;
  readonly #lab = readLab();
  readonly #nodes: string[] = [];
  #manifest = '';

  static async open(): Promise<Agents> {
    const agents = new Agents();
    await agents.admin(['create', 'namespace', agents.namespace]);
    // The policies of a product that is installed here know another agent.
    await agents.admin(['label', 'namespace', agents.namespace, 'keystead.dev/admission=off']);
    const shown = TEMPLATES.flatMap((name) => ['-s', `templates/${name}.yaml`]);
    agents.#manifest = await helm(['template', agents.id, CHART, '-n', agents.namespace, ...shown]);
    await agents.admin(['apply', '-f', '-'], agents.#manifest);
    return agents;
  }

  get #account(): string {
    return `${this.id}-keystead-agent`;
  }

  /** kubectl as the cluster's administrator. */
  admin(args: readonly string[], input = ''): Promise<string> {
    return this.#kubectl(this.#lab.kubeconfig, args, input);
  }

  /**
   * A way to call as the agent of a node. The token is bound to a pod of that node, as the kubelet would get it. The node is
   * there by name alone: without one, a controller that runs in the cluster would clear away what its agent wrote. It has no
   * labels, so that no DaemonSet chooses it.
   */
  async on(node: string): Promise<AgentCall> {
    const object = { apiVersion: 'v1', kind: 'Node', metadata: { name: node }, spec: { unschedulable: true } };
    this.#nodes.push(node);
    await this.admin(['apply', '-f', '-'], JSON.stringify(object));
    const name = `agent-on-${node}`;
    await this.pod(name, node, this.#account);
    return this.#caller(['--bound-object-kind', 'Pod', '--bound-object-name', name]);
  }

  /** The agent's account with a token that was made for no pod. */
  unbound(): Promise<AgentCall> {
    return this.#caller([]);
  }

  async #caller(bound: readonly string[]): Promise<AgentCall> {
    const token = (await this.admin(['create', 'token', this.#account, '-n', this.namespace, ...bound])).trim();
    const config = JSON.parse(await this.admin(['config', 'view', '--raw', '-o', 'json'])) as KubeConfig;
    const { server, 'certificate-authority-data': data, 'certificate-authority': file } = config.clusters[0]!.cluster;
    const ca = data === undefined ? await readFile(file!) : Buffer.from(data, 'base64');
    return (what) => callApi(new URL(what.path, server), { token, ca }, what);
  }

  /** A pod that is bound to a node and never runs. */
  async pod(name: string, node: string, serviceAccountName = 'default'): Promise<void> {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: this.namespace, annotations: { mine: 'yes' } },
      spec: {
        nodeName: node,
        serviceAccountName,
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'images.keystead.dev/none' }],
      },
    };
    await this.admin(['apply', '-f', '-'], JSON.stringify(pod));
  }

  /** The policies take effect a moment after they were made. */
  async untilPoliciesHold(probe: () => Promise<unknown>): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const refused = await probe().then(
        () => false,
        (error: unknown) => String(error).includes('ValidatingAdmissionPolicy'),
      );
      if (refused) return;
      if (Date.now() > deadline) throw new Error('the admission policies do not take effect');
      await setTimeout(200);
    }
  }

  async #kubectl(kubeconfig: string, args: readonly string[], input: string): Promise<string> {
    const running = execute(this.#lab.kubectl, ['--kubeconfig', kubeconfig, ...args], { maxBuffer: 16 * 1024 * 1024 });
    running.child.stdin?.end(input);
    try {
      return (await running).stdout;
    } catch (error) {
      throw new Error((error as { stderr: string }).stderr, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin(['delete', 'node', ...this.#nodes, '--ignore-not-found']);
    if (this.#manifest) await this.admin(['delete', '--ignore-not-found', '-f', '-'], this.#manifest);
    await this.admin(['delete', 'namespace', this.namespace, '--ignore-not-found', '--wait=false']);
  }
}
