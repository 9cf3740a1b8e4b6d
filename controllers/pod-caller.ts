// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type {
  ContainerEvidence,
  Evidence,
  ImageEvidence,
  ModulePolicy,
  NodeIntegrity,
  MomentEvidence,
  OwnerEvidence,
  ProcessEvidence,
  SignatureEvidence,
  Signers,
  Verdict,
} from '../src/attest/port.ts';
import { KeysteadError } from '../src/errors.ts';
import { openedBefore, secretName, type Holding } from '../src/identity/holding.ts';
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
  /** Who controls the pod, and who controls that, upwards. Throws `Unavailable`. */
  owners(pod: Pod): Promise<readonly OwnerEvidence[]>;
  moment(): MomentEvidence;
  /** Whether one of the signers signed the image. Never rejects. */
  signature(image: ImageEvidence, signers: Signers): Promise<SignatureEvidence>;
  /** This node's pods, by uid. */
  pod(uid: string): Pod | undefined;
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  holding(podUid: string): Holding | undefined;
  /** Resolves after so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}

/** Milliseconds between questions to the runtime about a container that it has not yet started. */
const START_WAITS = [2, 3, 5, 10, 20, 40, 80, 160, 320, 640, 1280];

/** Whose socket was called, and the pod that is judged. */
export interface Called {
  readonly pod: Pod | undefined;
  readonly podUid?: string;
}

export interface Judged {
  readonly evidence: Evidence;
  readonly verdict: Verdict;
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

  /**
   * `podUid` is the pod whose socket was called; undefined verdict where it is not known (yet). The caller of this holds a
   * pidfd of `pid`. Without `podUid` no socket was called: the pod is the one that the process is in, if any.
   * @throws KeysteadError `Unavailable` where the container runtime or the API server does not answer.
   */
  async judge(podUid: string, pid: number): Promise<Verdict | undefined> {
    const pod = this.#ports.pod(podUid);
    return pod && (await this.judged(pid, { pod, podUid })).verdict;
  }

  /** The same with the evidence, for who asks why. */
  async judged(pid: number, { pod, podUid }: Called): Promise<Judged> {
    const ports = this.#ports;
    const modules = pod ? modulesOf(pod, ports.modules(pod.metadata.namespace)) : [];
    const policies = modules.map(policyOf);
    const owners = pod && policies.some((policy) => policy.pod.owned) ? await ports.owners(pod) : undefined;
    const measured = await this.#measured(pod, policies, pid);
    const integrity = ports.integrity();
    const signers = policies[0]?.signers;
    const image = measured.container?.image;
    const evidence: Evidence = {
      node: ports.node,
      ...this.#opened(pod, measured),
      ...(integrity && { integrity }),
      modules: policies,
      phase: 'Running',
      moment: ports.moment(),
      ...(pod && { pod: podEvidence(pod, this.#secretNames(modules), owners) }),
      ...(podUid !== undefined && { call: { podUid } }),
      ...(signers && image && { signature: await ports.signature(image, signers) }),
      ...measured,
    };
    const verdict = ports.decide(evidence);
    if (podUid === undefined) return { evidence, verdict };
    return { evidence, verdict: unlessReported(verdict, measured, modules, ports.holding(podUid)) };
  }

  /** What is known of who has opened the container of the process. */
  #opened(pod: Pod | undefined, { process }: Measured): Pick<Evidence, 'opened'> {
    const holding = pod && this.#ports.holding(pod.metadata.uid);
    const opened = openedBefore(holding, [], process?.containerId ?? '');
    return opened === undefined ? {} : { opened };
  }

  #secretNames(modules: readonly EdgeModule[]): Set<string> {
    const identities = modules.flatMap(({ metadata }) =>
      this.#ports.identities(metadata.namespace ?? '', metadata.name ?? ''),
    );
    return new Set(identities.map(secretName).filter((name) => name !== undefined));
  }

  #measured(pod: Pod | undefined, policies: readonly ModulePolicy[], pid: number): Promise<Measured> {
    const isHost = policies[0]?.host !== undefined;
    return isHost ? this.#measureIn(undefined, pid) : this.#measure(pod, policies, pid);
  }

  /** The process in the module container that is known, else in the container in which it is found to be. */
  async #measure(pod: Pod | undefined, policies: readonly ModulePolicy[], pid: number): Promise<Measured> {
    const known = pod && running(this.#ports.holding(pod.metadata.uid)?.container);
    const first = await this.#measureIn(known, pid);
    const containerId = first.process?.containerId;
    if (containerId === undefined || containerId === known?.id) return first;
    const actual = await this.#started(containerId);
    if (actual !== undefined) return this.#measureIn(running(actual), pid);
    const name = policies[0]?.container ?? pod?.spec.containers[0]?.name;
    return this.#measureIn(pod && (await this.#moduleContainer(pod.metadata.uid, name)), pid);
  }

  /** The runtime tells that a container runs a moment after its program has begun, which may have called by then. */
  async #started(containerId: string): Promise<ContainerEvidence | undefined> {
    for (const wait of START_WAITS) {
      const found = await this.#ports.runtime.container(containerId);
      if (found === undefined || found.pid !== undefined) return found;
      await this.#ports.sleep(wait);
    }
    const found = `container ${containerId} as created and not started`;
    throw new KeysteadError('Unavailable', `the container runtime still shows ${found}, though it runs; ask again`);
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

/**
 * A module whose policy is Report is served as before, whatever rule its process breaks; nobody else is: the process must be
 * in the container, or unit, that holds the identity.
 */
function unlessReported(
  verdict: Verdict,
  { process }: Measured,
  modules: readonly EdgeModule[],
  holding: Holding | undefined,
): Verdict {
  const [module] = modules;
  if (verdict.allowed || modules.length !== 1 || module?.spec.onViolation !== 'Report') return verdict;
  const { host } = module.spec;
  const isInside = host
    ? process?.unit === host.unit && !process.containerId
    : process?.containerId === holding?.container?.id;
  const holds = holding !== undefined && holding.issued.size > 0 && isInside;
  return holds ? { allowed: true, module: policyOf(module), table: verdict.table } : verdict;
}

function running(container: ContainerEvidence | undefined): ModuleContainer | undefined {
  return container?.pid === undefined ? undefined : { ...container, pid: container.pid };
}
