// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type {
  ContainerEvidence,
  Evidence,
  ModulePolicy,
  NodeIntegrity,
  ProcessEvidence,
  Verdict,
} from '../src/attest/port.ts';
import { secretName, type Holding } from '../src/identity/holding.ts';
import { modulesOf, policyOf } from '../src/identity/module-match.ts';
import { podEvidence } from '../src/identity/pod-evidence.ts';
import type { ContainerRuntime } from '../src/runtime/port.ts';

export interface PodCallerPorts {
  readonly node: string;
  readonly runtime: Pick<ContainerRuntime, 'container' | 'containersOf'>;
  measure(pid: number, init: number): Promise<ProcessEvidence | undefined>;
  /** Of this node's measured boot; undefined where that is not enforced. */
  integrity(): NodeIntegrity | undefined;
  decide(evidence: Evidence): Verdict;
  /** This node's pods, by uid. */
  pod(uid: string): Pod | undefined;
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  holding(podUid: string): Holding | undefined;
}

type Measured = Pick<Evidence, 'container' | 'process'>;
type ModuleContainer = ContainerEvidence & { readonly pid: number };

/**
 * Judges a process that calls over a pod's socket, by the same rules as the module's own processes: whoever is not in
 * the module container of just this pod, or runs what the module may not, is refused with the rule's reason.
 */
export class PodCaller {
  readonly #ports: PodCallerPorts;

  constructor(ports: PodCallerPorts) {
    this.#ports = ports;
  }

  /** Undefined where the pod is not known (yet). The caller of this holds a pidfd of `pid`. */
  async judge(podUid: string, pid: number): Promise<Verdict | undefined> {
    const ports = this.#ports;
    const pod = ports.pod(podUid);
    if (!pod) return undefined;
    const { namespace } = pod.metadata;
    const modules = modulesOf(pod, ports.modules(namespace));
    const identities = modules.flatMap(({ metadata }) => ports.identities(namespace, metadata.name ?? ''));
    const secretNames = new Set(identities.map(secretName).filter((name) => name !== undefined));
    const policies = modules.map(policyOf);
    const measured = await this.#measure(pod, policies, pid);
    const integrity = ports.integrity();
    const common = {
      node: ports.node,
      ...(integrity && { integrity }),
      pod: podEvidence(pod, secretNames),
      modules: policies,
      phase: 'Running',
    } as const;
    return ports.decide({ ...common, ...measured });
  }

  /** The process as it is in the module container: in the one that is known, else in what has just taken its place. */
  async #measure(pod: Pod, policies: readonly ModulePolicy[], pid: number): Promise<Measured> {
    const { uid } = pod.metadata;
    const name = policies[0]?.container ?? pod.spec.containers[0]?.name;
    const known = running(this.#ports.holding(uid)?.container);
    if (known) {
      const measured = await this.#measureIn(known, pid);
      if (!measured.process || measured.process.containerId === known.id) return measured;
    }
    return this.#measureIn(await this.#moduleContainer(uid, name), pid);
  }

  async #measureIn(container: ModuleContainer | undefined, pid: number): Promise<Measured> {
    const process = await this.#ports.measure(pid, container?.pid ?? pid);
    return { ...(container && { container }), ...(process && { process }) };
  }

  async #moduleContainer(podUid: string, name: string | undefined): Promise<ModuleContainer | undefined> {
    const { runtime } = this.#ports;
    for (const id of await runtime.containersOf(podUid)) {
      const container = running(await runtime.container(id));
      if (container?.name === name && container?.podUid === podUid) return container;
    }
    return undefined;
  }
}

function running(container: ContainerEvidence | undefined): ModuleContainer | undefined {
  return container?.pid === undefined ? undefined : { ...container, pid: container.pid };
}
