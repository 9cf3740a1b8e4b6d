// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { permissions } from '../../controllers/index.ts';
import { type Scene } from './harness.ts';

/** A controller from source. */
export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  log: string;
}

/**
 * Controllers from source, with no more rights than the table in controllers/index.ts gives them: a service account
 * of their own, whose name is that of the scene's namespace.
 */
export class Controllers {
  readonly #scene: Scene;
  readonly #folder = mkdtempSync(join(tmpdir(), 'keystead-controller-'));
  readonly #running = new Set<Running>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get #kubeconfig(): string {
    return join(this.#folder, 'kubeconfig');
  }

  /** Stops all of them and takes their rights back. */
  async close(): Promise<void> {
    for (const { process: child, ended } of this.#running) {
      child.kill('SIGTERM');
      await ended;
    }
    const name = this.#scene.namespace;
    const kinds = [`clusterrole/${name}`, `clusterrolebinding/${name}`];
    await this.#scene.kubectl.run(['delete', ...kinds, '--ignore-not-found']);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  start(name: string): Running {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/bin/controller.ts')], {
      env: {
        PATH: process.env['PATH'],
        KUBECONFIG: this.#kubeconfig,
        KEYSTEAD_NAMESPACE: this.#scene.namespace,
        KEYSTEAD_POD_NAME: name,
        KEYSTEAD_LEASE: 'candidates',
        KEYSTEAD_HEALTH_PORT: '0',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const running: Running = { process: child, ended, log: '' };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (running.log += chunk.toString()));
    this.#running.add(running);
    return running;
  }

  /** Rights as the table says, bound to a service account whose token the controllers use. */
  async grant(): Promise<void> {
    const scene = this.#scene;
    const rules = [...permissions('controller')].map(([key, verbs]) => {
      const [target = '', resourceName] = key.split('#');
      const [apiGroup = '', ...resource] = target.split('/');
      const names = resourceName === undefined ? {} : { resourceNames: [resourceName] };
      return { apiGroups: [apiGroup], resources: [resource.join('/')], verbs: [...verbs], ...names };
    });
    const named = { name: scene.namespace };
    const rbac = 'rbac.authorization.k8s.io';
    await scene.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: scene.namespace, ...named } },
      { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: named, rules },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: named,
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', ...named },
        subjects: [{ kind: 'ServiceAccount', namespace: scene.namespace, ...named }],
      },
    );
    const token = (await scene.run('create', 'token', scene.namespace, '--duration=1h')).trim();
    const admin = JSON.parse(await scene.kubectl.run(['config', 'view', '--raw', '-o', 'json'])) as {
      clusters: { cluster: unknown }[];
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'lab', cluster: admin.clusters[0]?.cluster }],
      users: [{ name: 'controller', user: { token } }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'controller' } }],
      'current-context': 'lab',
    };
    writeFileSync(this.#kubeconfig, JSON.stringify(config), { mode: 0o600 });
  }
}
