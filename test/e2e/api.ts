// SPDX-License-Identifier: Apache-2.0
import type { OutgoingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import type { Kubectl } from '../quickstart/kubectl.ts';

/** What the API server answered. */
export interface ApiAnswer {
  readonly status: number;
  /** The object, or the Status that says why there is none. */
  readonly body: { readonly message?: string } & Readonly<Record<string, unknown>>;
}

export type PatchType = 'merge' | 'strategic-merge' | 'apply';

export interface Caller {
  readonly token?: string;
  readonly groups?: readonly string[];
}

interface Config {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
}

/**
 * Plain requests to the API server over one connection: kubectl takes up to a second to start, reads before it writes, and
 * what is measured here is shorter, or may not read.
 */
export class Api {
  readonly #server: string;
  readonly #agent: Agent;
  readonly #headers: OutgoingHttpHeaders;

  private constructor(server: string, agent: Agent, headers: OutgoingHttpHeaders) {
    this.#server = server;
    this.#agent = agent;
    this.#headers = headers;
  }

  /** As whom kubectl's configuration names, with its groups or with others, or as the bearer of a token. */
  static async open(kubectl: Kubectl, { token, groups }: Caller = {}): Promise<Api> {
    const text = await kubectl.run(['config', 'view', '--raw', '--flatten', '-o', 'json']);
    const { clusters, users } = JSON.parse(text) as Config;
    const { server = '', 'certificate-authority-data': ca = '' } = clusters[0]?.cluster ?? {};
    const { 'client-certificate-data': cert = '', 'client-key-data': key = '' } = users[0]?.user ?? {};
    const decode = (base64: string): Buffer => Buffer.from(base64, 'base64');
    const own = token === undefined ? { cert: decode(cert), key: decode(key) } : {};
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(groups && { 'impersonate-user': 'keystead-test', 'impersonate-group': [...groups] }),
    };
    return new Api(server, new Agent({ keepAlive: true, ca: decode(ca), ...own }), headers);
  }

  close(): void {
    this.#agent.destroy();
  }

  get(path: string): Promise<ApiAnswer> {
    return this.call('GET', path);
  }

  patch(path: string, body: object, type: PatchType = 'merge'): Promise<ApiAnswer> {
    return this.call(
      'PATCH',
      path,
      body,
      `application/${type === 'apply' ? 'apply-patch+yaml' : `${type}-patch+json`}`,
    );
  }

  call(method: string, path: string, body?: object, type = 'application/json'): Promise<ApiAnswer> {
    const options = { method, agent: this.#agent, headers: { ...this.#headers, 'content-type': type } };
    return new Promise((resolve, reject) => {
      const call = request(new URL(path, this.#server), options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (text += part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as ApiAnswer['body'] }),
        );
      });
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
