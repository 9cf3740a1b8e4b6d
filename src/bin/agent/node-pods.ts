// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../api/pod.ts';
import type { EdgeModule } from '../../api/v1alpha1/index.ts';
import { runsOn, standIn, standInUid } from '../../identity/host-module.ts';
import type { AgentCaches } from './caches.ts';

/** This node's pods, and among them what stands for the modules of the host. */
export class NodePods {
  readonly #node: string;
  readonly #caches: Pick<AgentCaches, 'pods' | 'modules' | 'devices'>;

  constructor(node: string, caches: Pick<AgentCaches, 'pods' | 'modules' | 'devices'>) {
    this.#node = node;
    this.#caches = caches;
  }

  get(uid: string): Pod | undefined {
    return this.#caches.pods.by('uid', uid)[0] ?? this.#standIns().find(({ metadata }) => metadata.uid === uid);
  }

  list(): Pod[] {
    return [...this.#caches.pods.list(), ...this.#standIns()];
  }

  of(namespace: string): Pod[] {
    const standIns = this.#standIns().filter(({ metadata }) => metadata.namespace === namespace);
    return [...this.#caches.pods.by('namespace', namespace), ...standIns];
  }

  /** The modules of the host that run on this node. */
  hostModules(): EdgeModule[] {
    const device = this.#caches.devices.get(this.#node);
    return this.#caches.modules.list().filter((module) => runsOn(module, device));
  }

  /** The module of the host that this uid stands for; undefined for a pod's. */
  hostModule(uid: string): EdgeModule | undefined {
    return this.hostModules().find(({ metadata }) => standInUid(metadata.uid ?? '', this.#node) === uid);
  }

  /** What stands for the module whose processes are those of a unit. */
  ofUnit(unit: string): Pod | undefined {
    const module = this.hostModules().find(({ spec }) => spec.host?.unit === unit);
    return module && standIn(module, this.#node);
  }

  #standIns(): Pod[] {
    return this.hostModules().map((module) => standIn(module, this.#node));
  }
}
