// SPDX-License-Identifier: Apache-2.0
import type { Agent } from 'node:https';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeysteadError } from '../errors.ts';

/** What a connection to the API server needs besides its address. Read again now and then: tokens and CAs rotate. */
export interface AccessMaterial {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: Buffer | undefined;
    readonly cert?: Buffer | undefined;
    readonly key?: Buffer | undefined;
    readonly servername?: string | undefined;
    readonly rejectUnauthorized?: boolean | undefined;
  };
  /** Set where the way leads through a proxy. */
  readonly proxy?: Agent;
}

/** Where the API server is and how to prove who we are. */
export interface Access {
  readonly server: URL;
  /** Namespace of the service account or of the kubeconfig's context. */
  readonly namespace: string;
  read(): Promise<AccessMaterial>;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Access from `KUBECONFIG`, else from the pod's service account, else from `~/.kube/config`.
 * Throws `InvalidConfiguration` where there is none of them.
 */
export async function accessFromEnvironment(env: NodeJS.ProcessEnv): Promise<Access> {
  const given = env['KUBECONFIG'] ?? '';
  if (given !== '') return kubeconfigAccess(given.split(':').filter((path) => path !== ''));
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return inClusterAccess(env);
  const personal = join(env['HOME'] ?? '/root', '.kube', 'config');
  if (existsSync(personal)) return kubeconfigAccess([personal]);
  throw new KeysteadError(
    'InvalidConfiguration',
    'No Kubernetes API server is configured. Set KUBECONFIG to a kubeconfig file, or run inside a pod with a service account.',
  );
}

/**
 * Access by the pod's service account. Written out here rather than taken from client-node, whose import costs
 * tens of megabytes in every process that runs on a node.
 */
export async function inClusterAccess(env: NodeJS.ProcessEnv, folder = SERVICE_ACCOUNT): Promise<Access> {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const namespace = await readFile(join(folder, 'namespace'), 'utf8').catch(() => 'default');
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: namespace.trim(),
    async read() {
      const [token, ca] = await Promise.all([
        readFile(join(folder, 'token'), 'utf8'),
        readFile(join(folder, 'ca.crt')),
      ]);
      return { headers: { authorization: `Bearer ${token.trim()}` }, tls: { ca } };
    },
  };
}

/** Access by kubeconfig files, merged in order as kubectl does. Throws `InvalidConfiguration` for an unusable one. */
export async function kubeconfigAccess(paths: readonly string[]): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    for (const path of paths) {
      const part = new KubeConfig();
      part.loadFromFile(path);
      config.mergeConfig(part, (config.currentContext as string | undefined) !== undefined);
    }
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new KeysteadError('InvalidConfiguration', `KUBECONFIG=${paths.join(':')} cannot be read: ${why}`, {
      cause: thrown,
    });
  }
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    const context = (config.currentContext as string | undefined) ?? '';
    throw new KeysteadError(
      'InvalidConfiguration',
      `KUBECONFIG=${paths.join(':')} has no cluster for its current context "${context}". Choose one with kubectl config use-context.`,
    );
  }
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.currentContext)?.namespace ?? 'default',
    async read() {
      const options: import('node:https').RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      const { ca, cert, key, servername, rejectUnauthorized, headers, auth } = options;
      const basic = typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
      return {
        headers: { ...(headers as Record<string, string> | undefined), ...basic },
        tls: {
          ca: ca as Buffer | undefined,
          cert: cert as Buffer | undefined,
          key: key as Buffer | undefined,
          servername,
          rejectUnauthorized,
        },
        ...(cluster.proxyUrl !== undefined && { proxy: options.agent as Agent }),
      };
    },
  };
}
