// SPDX-License-Identifier: Apache-2.0
import { MODULE_LABEL } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import { modulesOf } from '../src/identity/module-match.ts';
import { runsOn, standIn } from '../src/identity/host-module.ts';
import { selects } from '../src/identity/label-selector.ts';
import { hasEnded } from '../src/identity/pod-evidence.ts';
import { keyOf, type Result } from '../src/kube/index.ts';
import { moduleStatus, type Finding, type ModuleObservation } from '../src/module/status.ts';
import { daemonSetState, deploymentState, type WorkloadState } from '../src/module/workload-state.ts';
import type { Clock } from '../src/os/clock.ts';
import type { Cache } from './cache.ts';
import type { ModuleWorkload } from './module-workload.ts';
import type { StatusWriter } from './status-writer.ts';

export interface EdgeModulePorts {
  readonly clock: Clock;
  readonly status: Pick<StatusWriter<EdgeModule>, 'latest' | 'write' | 'forget'>;
  readonly workload: Pick<ModuleWorkload, 'ensure' | 'current' | 'forget'>;
  /** Indexes: `selecting`, the selector modules of a namespace. */
  readonly modules: Cache<EdgeModule>;
  /** Index: `module`. */
  readonly identities: Cache<ModuleIdentity>;
  /** Indexes: `module` (by label), `namespace`. */
  readonly pods: Cache<Pod>;
  readonly devices: Cache<EdgeDevice>;
}

/**
 * A module that is new and has no identity waits this long for one: users apply both in one go, and a pod made
 * without the identity would have to be replaced at once.
 */
const SETTLE_MS = 1500;

/** Reconciles EdgeModules: template to workload, and what became of it into status. */
export class EdgeModules {
  readonly #ports: EdgeModulePorts;
  readonly #firstSeen = new Map<string, number>();

  constructor(ports: EdgeModulePorts) {
    this.#ports = ports;
  }

  async reconcile(key: string): Promise<Result> {
    const cached = this.#ports.modules.get(key);
    if (!cached || cached.metadata.deletionTimestamp !== undefined) {
      // The workload goes with its owner; there is nothing else to clean up.
      this.#firstSeen.delete(key);
      this.#ports.workload.forget(key);
      this.#ports.status.forget(key);
      return {};
    }
    const module = this.#ports.status.latest(cached);
    const identities = this.#ports.identities.by('module', key);
    const settleMs = this.#settles(key, module, identities);
    if (settleMs > 0) return { requeueAfterMs: settleMs };
    const deployed = module.spec.template ? await this.#ports.workload.ensure(module, identities) : undefined;
    const observed = this.#observe(module, identities, deployed);
    await this.#ports.status.write(module, moduleStatus(module, observed, new Date(this.#ports.clock.now())));
    return {};
  }

  #settles(key: string, module: EdgeModule, identities: readonly ModuleIdentity[]): number {
    if (!module.spec.template || identities.length > 0 || this.#ports.workload.current(module)) return 0;
    const now = this.#ports.clock.now();
    const since = this.#firstSeen.get(key) ?? now;
    this.#firstSeen.set(key, since);
    return since + SETTLE_MS - now;
  }

  #observe(
    module: EdgeModule,
    identities: readonly ModuleIdentity[],
    deployed: Finding | undefined,
  ): ModuleObservation {
    const pods = this.#pods(module).filter((pod) => !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined);
    const ambiguous = this.#ambiguous(module, pods);
    return {
      pods,
      holders: identities.flatMap(({ status }) => status?.holders ?? []),
      ...(ambiguous !== undefined && { ambiguous }),
      ...(deployed ? { deployed, ...this.#workloadState(module) } : module.spec.host ? ofHosts(pods) : selected(pods)),
    };
  }

  #pods(module: EdgeModule): readonly Pod[] {
    const { selector, host } = module.spec;
    if (host) return this.#standIns(module);
    if (!selector) return this.#ports.pods.by('module', keyOf(module));
    const { namespace = '' } = module.metadata;
    return this.#ports.pods
      .by('namespace', namespace)
      .filter(({ metadata }) => selects(selector, metadata.labels ?? {}));
  }

  /** A module of the host has one on each node where it runs. */
  #standIns(module: EdgeModule): Pod[] {
    const devices = this.#ports.devices.list().filter((device) => runsOn(module, device));
    return devices.map(({ metadata }) => standIn(module, metadata.name ?? ''));
  }

  /** A pod has one label, so that beside its template's module only selector modules can claim it. */
  #ambiguous(module: EdgeModule, pods: readonly Pod[]): string | undefined {
    const { namespace = '', name } = module.metadata;
    const selecting = this.#ports.modules.by('selecting', namespace);
    const rivals = selecting.some(({ metadata }) => metadata.name !== name);
    if (!rivals && !module.spec.selector) return undefined;
    for (const pod of pods) {
      const labelled = this.#ports.modules.get(`${namespace}/${pod.metadata.labels?.[MODULE_LABEL] ?? ''}`);
      const claiming = modulesOf(pod, labelled?.spec.template ? [...selecting, labelled] : selecting);
      if (claiming.length < 2) continue;
      const names = claiming.map(({ metadata }) => metadata.name).join(', ');
      return `Pod ${pod.metadata.name} is claimed by ${names}; it gets no identity until only one of them claims it. Change a selector or the pod's labels.`;
    }
    return undefined;
  }

  #workloadState(module: EdgeModule): WorkloadState & Pick<ModuleObservation, 'workload'> {
    const found = this.#ports.workload.current(module);
    const kind = module.spec.template?.kind ?? 'Deployment';
    const stopped = module.spec.desiredState === 'Stopped';
    const wanted = stopped || kind === 'DaemonSet' ? 0 : (module.spec.template?.replicas ?? 1);
    if (!found) return { desired: wanted, ready: 0, current: false };
    const state = kind === 'DaemonSet' ? daemonSetState(found) : deploymentState(found);
    const current = state.current && (kind === 'DaemonSet' || state.desired === wanted);
    return {
      ...state,
      desired: kind === 'DaemonSet' && !stopped ? state.desired : wanted,
      current,
      workload: { kind, name: module.metadata.name ?? '' },
    };
  }
}

/** Services of nodes, which somebody else starts: whether one is ready, nobody but its identity tells. */
function ofHosts(standIns: readonly Pod[]): WorkloadState & { readonly deployed: Finding } {
  const deployed: Finding =
    standIns.length > 0
      ? { status: 'True', reason: 'NodesFound', message: `It belongs to ${standIns.length} nodes.` }
      : {
          status: 'False',
          reason: 'NoNodes',
          message: 'No EdgeDevice has a name of nodeNames, or labels of deviceSelector.',
        };
  return { desired: standIns.length, ready: standIns.length, current: true, deployed };
}

/** Pods of others: those that exist are those that should. */
function selected(pods: readonly Pod[]): WorkloadState & { readonly deployed: Finding } {
  const ready = pods.filter(({ status }) =>
    status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  ).length;
  const deployed: Finding =
    pods.length > 0
      ? { status: 'True', reason: 'PodsFound', message: `The selector matches ${pods.length} pods.` }
      : { status: 'False', reason: 'NoPods', message: 'The selector matches no pod of this namespace.' };
  return { desired: pods.length, ready, current: true, deployed };
}
