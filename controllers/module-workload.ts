// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { CONTROLLER_MANAGER } from '../src/api/names.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { Refusal } from '../src/identity/holding.ts';
import {
  daemonSets,
  deployments,
  isApiError,
  keyOf,
  type DaemonSet,
  type Deployment,
  type KubeClient,
  type KubeObject,
} from '../src/kube/index.ts';
import type { Finding } from '../src/module/status.ts';
import { waitsFor } from '../src/module/startup-order.ts';
import { workloadOf, type Workload } from '../src/module/workload.ts';
import type { Cache } from './cache.ts';

export interface ModuleWorkloadPorts {
  readonly client: Pick<KubeClient, 'apply' | 'delete'>;
  readonly modules: Cache<EdgeModule>;
  readonly deployments: Cache<Deployment>;
  readonly daemonSets: Cache<DaemonSet>;
}

interface Applied {
  readonly uid: string;
  readonly hash: string;
  readonly generation: number;
}

/** Keeps the workload of template modules as declared. Writes only what is new or what somebody else changed. */
export class ModuleWorkload {
  readonly #ports: ModuleWorkloadPorts;
  readonly #applied = new Map<string, Applied>();

  constructor(ports: ModuleWorkloadPorts) {
    this.#ports = ports;
  }

  /** The module's own workload, as far as the cache knows; undefined for one of the same name that is another's. */
  current(module: EdgeModule): Deployment | DaemonSet | undefined {
    const found = this.#found(module);
    return found && isOwned(found, module) ? found : undefined;
  }

  forget(key: string): void {
    this.#applied.delete(key);
  }

  /** Brings the workload about and tells how that stands. Throws only what is worth trying again. */
  async ensure(module: EdgeModule, identities: readonly ModuleIdentity[]): Promise<Finding> {
    const workload = workloadOf(module, identities);
    if ('reason' in workload) return no(workload);
    const found = this.#found(module);
    if (found && !isOwned(found, module)) return no(nameTaken(workload));
    const stopped = module.spec.desiredState === 'Stopped';
    if (stopped && workload.kind === 'DaemonSet') return this.#remove(module, found);
    if (!stopped && !runs(found)) {
      const waiting = waitsFor(module, this.#ports.modules.by('namespace', module.metadata.namespace ?? ''));
      if (waiting) return no(waiting);
    }
    const refusal = await this.#apply(module, workload, found);
    if (refusal) return no(refusal);
    return stopped
      ? { status: 'True', reason: 'Stopped', message: 'The workload is scaled to nothing.' }
      : {
          status: 'True',
          reason: 'Deployed',
          message: `${workload.kind} ${module.metadata.name ?? ''} is as declared.`,
        };
  }

  async #apply(module: EdgeModule, workload: Workload, found: KubeObject | undefined): Promise<Refusal | undefined> {
    const key = keyOf(module);
    const hash = createHash('sha256').update(JSON.stringify(workload.object)).digest('base64');
    if (isCurrent(this.#applied.get(key), found, hash)) return undefined;
    try {
      // Without force a workload that appeared meanwhile is not taken over; with it ours is set right again.
      const applied = await this.#send(workload, found !== undefined);
      const { uid = '', generation = 0 } = applied.metadata ?? {};
      this.#applied.set(key, { uid, hash, generation });
      return undefined;
    } catch (thrown) {
      if (isApiError(thrown, 'Conflict') && !found) return nameTaken(workload);
      if (!isApiError(thrown) || thrown.retryable) throw thrown;
      return { reason: 'WorkloadRejected', message: `Kubernetes refuses the template: ${thrown.message}` };
    }
  }

  #send({ kind, object }: Workload, force: boolean): Promise<KubeObject> {
    const options = { fieldManager: CONTROLLER_MANAGER, force };
    return kind === 'Deployment'
      ? this.#ports.client.apply(deployments, object, options)
      : this.#ports.client.apply(daemonSets, object, options);
  }

  async #remove(module: EdgeModule, found: KubeObject | undefined): Promise<Finding> {
    const { namespace, name = '' } = module.metadata;
    if (found?.metadata?.uid !== undefined && found.metadata.deletionTimestamp === undefined) {
      await this.#ports.client.delete(daemonSets, { namespace, name }, { uid: found.metadata.uid });
    }
    this.forget(keyOf(module));
    return { status: 'True', reason: 'Stopped', message: 'The DaemonSet is removed until the module runs again.' };
  }

  #found(module: EdgeModule): Deployment | DaemonSet | undefined {
    const cache: Cache<Deployment | DaemonSet> =
      module.spec.template?.kind === 'DaemonSet' ? this.#ports.daemonSets : this.#ports.deployments;
    return cache.get(keyOf(module));
  }
}

/** The cache may be behind our last write; it is ahead of it only where somebody else wrote. */
function isCurrent(applied: Applied | undefined, found: KubeObject | undefined, hash: string): boolean {
  const { uid, generation = 0 } = found?.metadata ?? {};
  return applied?.hash === hash && applied.uid === uid && generation <= applied.generation;
}

function isOwned({ metadata }: KubeObject, { metadata: owner }: EdgeModule): boolean {
  return metadata?.ownerReferences?.some(({ uid }) => uid === owner.uid) ?? false;
}

/** Whether a workload has been started: what runs is not held back by other modules. */
function runs(found: Deployment | DaemonSet | undefined): boolean {
  if (!found) return false;
  const replicas = found.spec && 'replicas' in found.spec ? found.spec.replicas : undefined;
  return replicas !== 0;
}

function nameTaken({ kind }: Pick<Workload, 'kind'>): Refusal {
  return {
    reason: 'NameTaken',
    message: `A ${kind} of this name exists that Keystead did not make. Delete or rename it, or give the EdgeModule another name.`,
  };
}

function no(refusal: Refusal): Finding {
  return { status: 'False', ...refusal };
}
