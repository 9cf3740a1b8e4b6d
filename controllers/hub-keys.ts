// SPDX-License-Identifier: Apache-2.0
import { hasEnded } from '../src/identity/pod-evidence.ts';
import { hubModuleOf } from '../src/identity/hub-module.ts';
import { modulesOf } from '../src/identity/module-match.ts';
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { HubKeyName, HubModuleName } from '../src/notary/hub-port.ts';
import type { Clock } from '../src/os/clock.ts';
import { KeyPatience, type KeyStanding } from './key-patience.ts';

export interface HubKeysPorts {
  readonly clock: Clock;
  /**
   * Whether the notary has its token open and everything below is as the API server tells it; nothing is done where not: to
   * who has not heard of an identity yet it looks like a deleted one.
   */
  ready(): boolean;
  /** The keys that hubs made and that were brought onto this node. */
  list(): Promise<readonly HubKeyName[]>;
  destroy(key: HubKeyName): Promise<void>;
  /** All ModuleIdentities of a namespace. */
  namespaceIdentities(namespace: string): readonly ModuleIdentity[];
  /** This node's pods of a namespace. */
  pods(namespace: string): readonly Pod[];
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
}

/** Between two looks that nothing has asked for, milliseconds. */
const LOOK_MS = 600_000;

/**
 * Reconciles the keys that were brought in for modules of a hub with the ModuleIdentities: destroys those of identities that
 * were deleted, are another module or generation, or have no key brought in any more. A pod brings its keys along at each
 * start, so that one that comes back late finds them too. Level-based, as for module keys.
 */
export class HubKeysReconciler {
  readonly #ports: HubKeysPorts;
  readonly #patience = new KeyPatience();

  constructor(ports: HubKeysPorts) {
    this.#ports = ports;
  }

  async reconcile(): Promise<{ readonly requeueAfterMs: number }> {
    if (!this.#ports.ready()) return { requeueAfterMs: LOOK_MS };
    const present = await this.#ports.list();
    const waits = [];
    for (const key of present) waits.push(await this.#keepOrDestroy(key));
    this.#patience.retain(new Set(present.map(labelOf)));
    return { requeueAfterMs: Math.min(LOOK_MS, ...waits) };
  }

  /** Tells when the key is to be looked at again, in milliseconds. */
  async #keepOrDestroy(key: HubKeyName): Promise<number> {
    const label = labelOf(key);
    // Asked anew for each key, since a pod may have come while another key was destroyed.
    if (this.#isUsed(key.module)) {
      this.#patience.forget(label);
      return LOOK_MS;
    }
    const standing = this.#standing(key.module);
    // With it goes what it has encrypted, and who brought it in may have thought that once is enough.
    if (standing === 'Current' && key.keyId === 'encryption') return LOOK_MS;
    const left = this.#patience.leftMs(label, standing, this.#ports.clock.now());
    if (left > 0) return left;
    await this.#ports.destroy(key);
    this.#patience.forget(label);
    return LOOK_MS;
  }

  #standing(module: HubModuleName): KeyStanding {
    const alike = this.#ports
      .namespaceIdentities(module.namespace)
      .flatMap(importing)
      .filter(({ moduleId }) => moduleId === module.moduleId);
    if (alike.length === 0) return 'Orphan';
    return alike.some((each) => sameModule(each, module)) ? 'Current' : 'Former';
  }

  /** Whether a pod of this node is such a module. */
  #isUsed(module: HubModuleName): boolean {
    const { namespace } = module;
    const modules = this.#ports
      .pods(namespace)
      .filter((pod) => !hasEnded(pod))
      .flatMap((pod) => modulesOf(pod, this.#ports.modules(namespace)));
    return modules
      .flatMap(({ metadata }) => this.#ports.identities(namespace, metadata.name ?? ''))
      .some((identity) => importing(identity).some((each) => sameModule(each, module)));
  }
}

/** The module whose keys an identity has brought in. */
function importing(identity: ModuleIdentity): readonly HubModuleName[] {
  const module = hubModuleOf(identity);
  return module?.keys === 'Imported' ? [module] : [];
}

/** Within one namespace. */
function sameModule(one: HubModuleName, other: HubModuleName): boolean {
  return one.moduleId === other.moduleId && one.generationId === other.generationId;
}

const labelOf = ({ module, keyId }: HubKeyName): string =>
  `${module.namespace}:${keyId}:${module.generationId}:${module.moduleId}`;
