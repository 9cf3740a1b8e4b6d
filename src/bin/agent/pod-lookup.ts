// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../api/pod.ts';
import type { VolumeStore } from '../../deliver/volume.ts';
import { modulesOf } from '../../identity/module-match.ts';
import type { AgentCaches } from './caches.ts';
import type { NodePods } from './node-pods.ts';

/** Pods that are no modules start while we wait, so this is kept short. Milliseconds. */
const POD_WAIT_MS = 50;
const MODULE_WAIT_MS = 250;
const POD_POLL_MS = 5;

/** Finds this node's pods. */
export class PodLookup {
  readonly #caches: AgentCaches;
  readonly #pods: NodePods;
  readonly #volumes: Pick<VolumeStore, 'of' | 'list'>;

  constructor(caches: AgentCaches, pods: NodePods, volumes: Pick<VolumeStore, 'of' | 'list'>) {
    this.#caches = caches;
    this.#pods = pods;
    this.#volumes = volumes;
  }

  /** Uids of all pods that are on this node, or have a volume of ours left. */
  known(): string[] {
    const pods = this.#pods.list().map(({ metadata }) => metadata.uid);
    return [...new Set([...pods, ...this.#volumes.list().map(({ podUid }) => podUid)])];
  }

  pod(uid: string): Pod | undefined {
    return this.#pods.get(uid);
  }

  /** Whether a module claims the pod, or it has an identity volume and must be told why none does. */
  isModule(pod: Pod): boolean {
    const { uid, namespace } = pod.metadata;
    return (
      this.#volumes.of(uid) !== undefined || modulesOf(pod, this.#caches.modules.by('namespace', namespace)).length > 0
    );
  }

  /**
   * The kubelet may know a pod, and its author have applied the module, a moment before our watches do. A pod with an
   * identity volume is worth a longer wait than one that is probably no module at all.
   */
  async soon(uid: string): Promise<Pod | undefined> {
    const patience = this.#volumes.of(uid) ? MODULE_WAIT_MS : POD_WAIT_MS;
    for (let waited = 0; ; waited += POD_POLL_MS) {
      const pod = this.pod(uid);
      const complete = pod && (patience === POD_WAIT_MS || this.#hasIdentity(pod));
      if (complete || waited >= patience) return pod;
      await new Promise((resolve) => setTimeout(resolve, POD_POLL_MS));
    }
  }

  /** Whether the module of a pod and an identity of it are known here. */
  #hasIdentity(pod: Pod): boolean {
    const { namespace } = pod.metadata;
    const modules = modulesOf(pod, this.#caches.modules.by('namespace', namespace));
    return modules.some(
      ({ metadata }) => this.#caches.identities.by('module', `${namespace}/${metadata.name ?? ''}`).length > 0,
    );
  }
}
