// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ApiException, KubeConfig, KubernetesObjectApi, PatchStrategy } from '@kubernetes/client-node';
import { readLab } from '../../lab/index.ts';
import type { JsonObject } from './merge-patch.ts';

const run = promisify(execFile);
const CRDS = join(import.meta.dirname, '../../../crds');
const NAMES = ['edgedevices', 'edgemodules', 'moduleidentities', 'trustbundles'].map((name) => `${name}.keystead.dev`);

/** An object as the tests handle it: its identity is known, the rest is any JSON. */
export type Example = JsonObject & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: JsonObject & { readonly name: string; readonly namespace: string };
};

/** What the API server said of an object: the object with defaults, or the message of its refusal. */
export type Answer = { readonly object: JsonObject } | { readonly refusal: string };

/** The lab's API server with the CRDs of this tree in it, and a namespace that goes away at the end. */
export class Cluster implements AsyncDisposable {
  readonly namespace = `crds-${Math.random().toString(36).slice(2, 8)}`;
  readonly #kubectl: string;
  readonly #kubeconfig: string;
  readonly #api: KubernetesObjectApi;
  readonly #undo: (readonly string[])[] = [];

  private constructor() {
    const lab = readLab();
    this.#kubectl = lab.kubectl;
    this.#kubeconfig = lab.kubeconfig;
    const config = new KubeConfig();
    config.loadFromFile(lab.kubeconfig);
    this.#api = KubernetesObjectApi.makeApiClient(config);
  }

  static async open(): Promise<Cluster> {
    const cluster = new Cluster();
    await cluster.#installCrds();
    await cluster.kubectl('create', 'namespace', cluster.namespace);
    cluster.#undo.push(['delete', 'namespace', cluster.namespace, '--wait=false']);
    return cluster;
  }

  /** CRDs that were there before stay, and are touched only where they differ from this tree's. */
  async #installCrds(): Promise<void> {
    const before = await this.kubectl('get', 'crd', '--output=name');
    for (const name of NAMES.filter((name) => !before.includes(`/${name}\n`))) {
      this.#undo.push(['delete', 'crd', name]);
    }
    const same = await this.kubectl('diff', '--filename', CRDS).then(
      () => true,
      () => false,
    );
    if (!same) await this.kubectl('apply', '--server-side', '--force-conflicts', '--filename', CRDS);
    await this.kubectl('wait', '--for=condition=Established', ...NAMES.map((name) => `crd/${name}`));
    // Established comes a moment before the API server answers for the new kinds.
    await this.#untilServed(Date.now() + 20_000);
  }

  async #untilServed(deadline: number): Promise<void> {
    try {
      for (const name of NAMES) await this.kubectl('get', name, '--all-namespaces');
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await setTimeout(200);
      await this.#untilServed(deadline);
    }
  }

  /** Runs kubectl; gives what it printed, throws when it fails. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(this.#kubectl, ['--kubeconfig', this.#kubeconfig, ...args]);
    return stdout;
  }

  /** Asks whether the object would be created; creates nothing. */
  tryCreate(object: Example): Promise<Answer> {
    return answerOf(this.#api.create(object, undefined, 'All'));
  }

  /** Asks whether a live object may be changed so; changes nothing. */
  tryPatch(object: Example, patch: JsonObject): Promise<Answer> {
    const { apiVersion, kind, metadata } = object;
    const body = { ...patch, apiVersion, kind, metadata: { name: metadata.name, namespace: metadata.namespace } };
    return answerOf(this.#api.patch(body, undefined, 'All', undefined, undefined, PatchStrategy.MergePatch));
  }

  /** Creates an object that is deleted at the end. */
  async create(object: Example): Promise<void> {
    await this.#api.create(object);
    const { name, namespace } = object.metadata;
    this.#undo.push(['delete', `${object.kind}.keystead.dev`, name, '--namespace', namespace]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const args of this.#undo.reverse()) await this.kubectl(...args);
  }
}

async function answerOf(call: Promise<object>): Promise<Answer> {
  try {
    return { object: JSON.parse(JSON.stringify(await call)) as JsonObject };
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    const body: unknown = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    const { message } = body as { readonly message: string };
    return { refusal: message };
  }
}
