// SPDX-License-Identifier: Apache-2.0
import type { Pod, PodOwner } from '../src/api/pod.ts';
import type { OwnerEvidence } from '../src/attest/port.ts';

/** An object that owns pods or their owners, as far as its own owners go. */
export interface OwningObject {
  readonly metadata?: { readonly uid?: string; readonly ownerReferences?: readonly PodOwner[] };
}

export interface PodOwnersPorts {
  /** Reads an object of the kinds that Keystead makes pods by; undefined where it is gone or of another kind. Throws `Unavailable`. */
  find(owner: PodOwner, namespace: string): Promise<OwningObject | undefined>;
}

/** Owners that are remembered; a node's pods have far fewer. */
const REMEMBERED = 1024;
/** Pod, ReplicaSet, Deployment, EdgeModule; one more is none of ours. */
const GENERATIONS = 4;
/** A pod is never controlled by a module directly: whoever writes so has written it by hand. */
const OF_PODS = /^apps\//;

/**
 * Follows the chain of controllers from a pod upwards. The references of a pod are written by whoever made it, so each
 * object that they name is asked for, and must have the uid that they say. What an object is owned by does not change:
 * it is asked for once, so that the API server may be away later.
 */
export class PodOwners {
  readonly #ports: PodOwnersPorts;
  readonly #known = new Map<string, PodOwner | undefined>();

  constructor(ports: PodOwnersPorts) {
    this.#ports = ports;
  }

  /** The pod's controller first. Throws `Unavailable` where it cannot be told just now. */
  async chain({ metadata }: Pod): Promise<OwnerEvidence[]> {
    const chain: OwnerEvidence[] = [];
    let next = controllerOf(metadata.ownerReferences);
    if (next !== undefined && !OF_PODS.test(next.apiVersion)) return [evidence(next)];
    while (next !== undefined && chain.length < GENERATIONS) {
      const owner = await this.#above(next, metadata.namespace);
      if (owner === 'Gone') break;
      chain.push(evidence(next));
      next = owner;
    }
    return chain;
  }

  /** The controller of an owner; undefined where it has none. */
  async #above(owner: PodOwner, namespace: string): Promise<PodOwner | undefined | 'Gone'> {
    if (!OF_PODS.test(owner.apiVersion)) return undefined;
    if (this.#known.has(owner.uid)) return this.#known.get(owner.uid);
    const found = await this.#ports.find(owner, namespace);
    if (found?.metadata?.uid !== owner.uid) return 'Gone';
    const above = controllerOf(found.metadata.ownerReferences);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(owner.uid, above);
    return above;
  }
}

function controllerOf(references: readonly PodOwner[] = []): PodOwner | undefined {
  return references.find(({ controller }) => controller === true);
}

/** A kind of another group that is called alike is not ours. */
function evidence({ apiVersion, kind, name, uid }: PodOwner): OwnerEvidence {
  const ours = kind !== 'EdgeModule' || apiVersion.startsWith('keystead.dev/');
  return { kind: ours ? kind : `${kind}.${apiVersion}`, name, uid };
}
