// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeModule, ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import type { Image } from '../../src/build/image/image.ts';
import { pushImage } from '../../src/build/image/registry.ts';
import { readLab, type Lab } from '../lab/index.ts';
import { Kubectl, until, type KubeObject } from '../quickstart/kubectl.ts';
import { busyboxImage } from '../samples/busybox.ts';
import { identityFolder } from './pod-processes.ts';

export { until } from '../quickstart/kubectl.ts';

type Holder = NonNullable<NonNullable<ModuleIdentity['status']>['holders']>[number];

/** The administrator as one of those who may open a module. */
const BREAK_GLASS = ['--as=keystead-test', '--as-group=system:masters', '--as-group=keystead:break-glass'];

/** Of every scene's namespace. */
export const SCENE_LABEL = 'e2e.keystead.dev/scene';

/** A namespace of a test's own on the node where the product runs. */
export class Scene {
  readonly lab: Lab = readLab();
  readonly kubectl = new Kubectl(this.lab.kubectl, this.lab.kubeconfig);
  readonly namespace: string;
  #image: { readonly image: Image; readonly reference: string } | undefined;

  constructor(name: string) {
    this.namespace = `e2e-${name}-${Math.random().toString(36).slice(2, 7)}`;
  }

  async open(): Promise<void> {
    const labels = { [SCENE_LABEL]: '' };
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.namespace, labels } });
    this.#image = await this.push('a');
  }

  /** Takes it down, and waits for its end. */
  async close(): Promise<void> {
    await this.kubectl.run(['delete', 'namespace', this.namespace, '--ignore-not-found', '--timeout=120s']);
  }

  /** Takes it down beside the tests that come next; that it has ended is found at the end of the suite (`left-over.ts`). */
  async leave(): Promise<void> {
    await this.kubectl.run(['delete', 'namespace', this.namespace, '--ignore-not-found', '--wait=false']);
  }

  /** The test image, pinned by its index digest. */
  get image(): string {
    return this.#image!.reference;
  }

  get digests(): { readonly index: string; readonly manifest: string; readonly config: string } {
    const { index, manifest, config } = this.#image!.image;
    return { index: index.digest, manifest: manifest.digest, config: config.digest };
  }

  async push(variant: string): Promise<{ readonly image: Image; readonly reference: string }> {
    const image = await busyboxImage(variant);
    const { reference } = await pushImage(image, variant, { registry: this.lab.registry, name: 'keystead/test' });
    return { image, reference };
  }

  async apply(...objects: readonly object[]): Promise<void> {
    for (const object of objects) await this.kubectl.apply(JSON.stringify(object));
  }

  /** Runs kubectl in the scene's namespace. Whoever executes something in a module must be let by admission. */
  run(...args: readonly string[]): Promise<string> {
    const user = args[0] === 'exec' ? BREAK_GLASS : [];
    return this.kubectl.run(['-n', this.namespace, ...user, ...args]);
  }

  find<T extends KubeObject>(...args: readonly string[]): Promise<T | undefined> {
    return this.kubectl.find<T>(['-n', this.namespace, ...args]);
  }

  /** A module with a Deployment of one pod, and its identity of the same name. */
  module(name: string, change: ModuleChange = {}): object[] {
    const container = { name: 'main', image: this.image, command: ['/bin/sleep', '1000000'], ...change.container };
    return [
      this.object('EdgeModule', name, {
        template: { pod: { spec: { terminationGracePeriodSeconds: 1, containers: [container], ...change.pod } } },
        remeasureInterval: '1s',
        ...change.spec,
      }),
      this.object('ModuleIdentity', name, { moduleRef: { name }, ...change.identity }),
    ];
  }

  object(kind: string, name: string, spec: object): object {
    return { apiVersion: 'keystead.dev/v1alpha1', kind, metadata: { namespace: this.namespace, name }, spec };
  }

  /** A pod as somebody else would write it: not made by Keystead. */
  pod(name: string, labels: Record<string, string>, change: PodChange = {}): object {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: this.namespace, name, labels },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: change.image ?? this.image,
            command: change.command ?? ['/bin/sleep', '1000000'],
            volumeMounts: [{ name: 'identity', mountPath: '/var/run/keystead', readOnly: true }],
            ...change.container,
          },
        ],
        volumes: [
          {
            name: 'identity',
            csi: {
              driver: 'csi.keystead.dev',
              readOnly: true,
              ...(change.identity && { volumeAttributes: { identity: change.identity } }),
            },
          },
        ],
        ...change.spec,
      },
    };
  }

  /** Waits until an identity's status says `verdict` of some pod, and gives that entry. */
  holder(
    identity: string,
    verdict: Holder['verdict'],
    matches: (holder: Holder) => boolean = () => true,
  ): Promise<Holder> {
    return until(`${verdict} in ModuleIdentity ${identity}`, 60, async () => {
      const found = await this.find<ModuleIdentity & KubeObject>('moduleidentity', identity);
      const holders = found?.status?.holders ?? [];
      return (
        holders.find((holder) => holder.verdict === verdict && matches(holder)) ?? JSON.stringify(found?.status ?? {})
      );
    });
  }

  /** Waits for a condition of one of our resources to have a status, and gives it. */
  condition(kind: string, name: string, type: string, status: string): Promise<{ reason: string; message: string }> {
    return until(`${kind} ${name} ${type}=${status}`, 60, async () => {
      const found = await this.find<EdgeModule & KubeObject>(kind, name);
      const condition = found?.status?.conditions?.find((each) => each.type === type && each.status === status);
      return condition ?? JSON.stringify(found?.status?.conditions ?? []);
    });
  }

  /**
   * Names in the identity directory of a pod, as its processes see them. They are looked at from the node: a command in
   * the pod would be a process of the module itself, and admission forbids it.
   */
  async files(pod: string): Promise<string[]> {
    const names = readdirSync(await this.#identityFolder(pod));
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  async read(pod: string, file: string): Promise<string> {
    return readFileSync(join(await this.#identityFolder(pod), file), 'utf8');
  }

  async #identityFolder(pod: string): Promise<string> {
    const found = await this.find('pod', pod);
    if (found === undefined) throw new Error(`there is no pod ${pod}`);
    return identityFolder(found.metadata.uid);
  }

  /** Waits until the identity directory of a pod holds just these files. */
  filesAre(pod: string, expected: readonly string[]): Promise<true> {
    const wanted = [...expected].sort().join(' ');
    return until(`files of ${pod}`, 30, async () => {
      const found = (await this.files(pod)).join(' ');
      return found === wanted ? (true as const) : `${found}, not ${wanted}`;
    });
  }
}

export interface ModuleChange {
  readonly container?: object;
  readonly pod?: object;
  readonly spec?: object;
  readonly identity?: object;
}

export interface PodChange {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly identity?: string;
  readonly container?: object;
  readonly spec?: object;
}

export const PUBLIC_FILES = ['ca.crt', 'crl.pem', 'trust-bundle.pem'];
export const ALL_FILES = [...PUBLIC_FILES, 'credential-bundle.pem', 'tls.crt', 'tls.key'];
