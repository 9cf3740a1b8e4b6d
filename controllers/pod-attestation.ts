// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
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
import { podEvidence } from '../src/identity/pod-evidence.ts';
import type { ContainerEvent, ContainerRuntime } from '../src/runtime/port.ts';
import { pastExec } from './past-exec.ts';

export interface PodAttestationPorts {
  readonly node: string;
  readonly runtime: Pick<ContainerRuntime, 'container' | 'containersOf'>;
  /** Evidence of one process; `init` is the container's first process. Undefined where it is gone. */
  measure(pid: number, init: number): Promise<ProcessEvidence | undefined>;
  /** Host pids of all processes in a container. */
  processesOf(containerId: string): readonly number[];
  /** Has the next list of processes be a new one. */
  lookAfresh(): void;
  /** Of this node's measured boot; undefined where that is not enforced. */
  integrity(): NodeIntegrity | undefined;
  decide(evidence: Evidence): Verdict;
  /** What the process of the evidence tells of who has opened its container; `pid`: one that has ended meanwhile. */
  opened(evidence: Evidence, pid?: number): string | undefined;
  /** Who controls the pod, and who controls that, upwards. Throws `Unavailable`. */
  owners(pod: Pod): Promise<readonly OwnerEvidence[]>;
  moment(): MomentEvidence;
  /** Whether one of the signers signed the image. Never rejects. */
  signature(image: ImageEvidence, signers: Signers): Promise<SignatureEvidence>;
  /** Resolves after so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}

/** What was found out about the module container of a pod. */
export type Attestation =
  | { readonly state: 'Absent' }
  /** The event is about another container of the pod. */
  | { readonly state: 'Unrelated' }
  /** Created, its start not yet seen; nothing can be said of it. */
  | { readonly state: 'Pending'; readonly container: ContainerEvidence }
  | {
      readonly state: 'Judged';
      readonly container: ContainerEvidence;
      /** The first process, or the one that was refused. */
      readonly process?: ProcessEvidence;
      readonly verdict: Verdict;
      /** Somebody has executed something in the container just now: what, in words. */
      readonly opened?: string;
    };

export interface Subject {
  readonly pod: Pod;
  readonly policies: readonly ModulePolicy[];
  readonly secretNames: ReadonlySet<string>;
  /** The container that was the module's at the last look. While it runs there is no other: that spares the runtime a question. */
  readonly held?: string;
  /** What is known to have been executed in a container before. */
  opened(containerId: string): string | undefined;
}

type Judged = Extract<Attestation, { state: 'Judged' }>;

/** `entrant`: a process that was put into it from outside just now. */
type ModuleContainer = ContainerEvidence & { readonly pid: number; readonly entrant?: number };

/** The container and its first process, which may be there. */
interface Looked {
  readonly evidence: Evidence;
  readonly container: ModuleContainer;
  readonly first: ProcessEvidence;
}

/** Gathers the evidence about a pod's module container and has it judged. */
export class PodAttestation {
  readonly #ports: PodAttestationPorts;

  constructor(ports: PodAttestationPorts) {
    this.#ports = ports;
  }

  /**
   * Judges the module container of a pod. With an event of phase Starting, the start is held and the image,
   * configuration and pod are judged alone; otherwise every process of the container is.
   * @throws KeysteadError `Unavailable` where the container runtime, or the API server on a pod's owners, does not answer.
   */
  async attest(subject: Subject, event?: ContainerEvent): Promise<Attestation> {
    try {
      return await this.#attest(subject, event);
    } catch (error) {
      // Who has come in was not looked at. The next look is told of nobody, and finds him in a new list alone.
      if (event?.phase === 'Entered') this.#ports.lookAfresh();
      throw error;
    }
  }

  async #attest(subject: Subject, event?: ContainerEvent): Promise<Attestation> {
    const container = await this.#moduleContainer(subject, event);
    if (!container) return { state: event?.phase === 'Starting' ? 'Unrelated' : 'Absent' };
    const common = await this.#common(subject, container);
    const holds = event?.phase === 'Starting' && event.containerId === container.id;
    if (holds) return { state: 'Judged', container, verdict: this.#ports.decide({ ...common, phase: 'Starting' }) };
    const { first, entrant } = pidsOf(event, container.id);
    const pid = container.pid ?? first;
    if (pid === undefined) return { state: 'Pending', container };
    const evidence = { ...common, phase: 'Running' } as const;
    const running = { ...container, pid, ...(entrant !== undefined && { entrant }) };
    const sleep = (milliseconds: number): Promise<void> => this.#ports.sleep(milliseconds);
    return pastExec(() => this.#judgeOnce(evidence, running), { isStarter: isRuntimeInit, sleep });
  }

  /** What is the same for all processes of the container. */
  async #common(
    { pod, policies, secretNames, ...subject }: Subject,
    container: ContainerEvidence,
  ): Promise<Omit<Evidence, 'phase'>> {
    const { node } = this.#ports;
    const owned = policies.some((policy) => policy.pod.owned);
    const owners = owned ? await this.#ports.owners(pod) : undefined;
    const integrity = this.#ports.integrity();
    const signers = policies[0]?.signers;
    const opened = subject.opened(container.id);
    return {
      node,
      ...(integrity && { integrity }),
      pod: podEvidence(pod, secretNames, owners),
      container,
      modules: policies,
      moment: this.#ports.moment(),
      ...(opened !== undefined && { opened }),
      ...(signers && { signature: await this.#ports.signature(container.image, signers) }),
    };
  }

  async #moduleContainer(
    { pod, policies, held }: Subject,
    event?: ContainerEvent,
  ): Promise<ContainerEvidence | undefined> {
    const [first] = pod.spec.containers;
    // A pod that lacks the module's container is judged by its first one, so that it is refused with a reason.
    const wanted = pod.spec.containers.find(({ name }) => name === policies[0]?.container)?.name ?? first?.name;
    const find = async (ids: readonly string[]): Promise<ContainerEvidence | undefined> => {
      for (const id of ids) {
        const container = await this.#ports.runtime.container(id);
        if (container?.name === wanted && container?.podUid === pod.metadata.uid) return container;
      }
      return undefined;
    };
    if (event === undefined || event.phase === 'Exited') {
      const known = held === undefined ? undefined : await find([held]);
      if (known?.pid !== undefined) return known;
      return find(await this.#ports.runtime.containersOf(pod.metadata.uid));
    }
    const named = await find([event.containerId]);
    // While a start is held, every question to the runtime counts: other containers are not looked for.
    if (named !== undefined || event.phase === 'Starting') return named;
    return find(await this.#ports.runtime.containersOf(pod.metadata.uid));
  }

  async #judgeOnce(evidence: Evidence, container: ModuleContainer): Promise<Attestation> {
    const first = await this.#ports.measure(container.pid, container.pid);
    if (!first) return { state: 'Absent' };
    const verdict = this.#ports.decide({ ...evidence, process: first });
    if (!verdict.allowed) return this.#refused(evidence, container, first, verdict);
    const { id, entrant } = container;
    const failures: unknown[] = [];
    let looks = 0;
    // The list of processes may be a moment old, and who has just come in not be on it.
    for (const pid of new Set([...(entrant === undefined ? [] : [entrant]), ...this.#ports.processesOf(id)])) {
      if (pid === container.pid) continue;
      // A container of ten thousand processes shall not keep the node's other modules waiting.
      if (++looks % LOOKS_AT_ONCE === 0) await this.#ports.sleep(0);
      const refused = await this.#refusedFor(pid, { evidence, container, first }).catch((error: unknown) => {
        failures.push(error);
      });
      if (refused) return refused;
    }
    // Who cannot be measured keeps nobody else from being refused; of a container with him nothing good can be said.
    if (failures.length > 0) throw failures[0];
    return { state: 'Judged', container, process: first, verdict };
  }

  /** The refusal of the container for another process in it; undefined where that one may be there. */
  async #refusedFor(pid: number, { evidence, container, first }: Looked): Promise<Judged | undefined> {
    const process = await this.#ports.measure(pid, container.pid);
    if (process) {
      const verdict = this.#ports.decide({ ...evidence, process });
      return verdict.allowed ? undefined : this.#refused(evidence, container, process, verdict);
    }
    // A child that ended meanwhile can no longer read anything; who came from outside has been there.
    const left = pid === container.entrant ? this.#hasLeft(evidence, container, first, pid) : undefined;
    return left && (left.opened !== undefined || !left.verdict.allowed) ? left : undefined;
  }

  #refused(evidence: Evidence, container: ModuleContainer, process: ProcessEvidence, verdict: Verdict): Judged {
    // The next look shall find who was refused, though the list was made before he came in: else it gives the identity again.
    if (container.entrant !== undefined && !verdict.allowed) this.#ports.lookAfresh();
    const opened = evidence.opened ?? this.#ports.opened({ ...evidence, process });
    return { state: 'Judged', container, process, verdict, ...(opened !== undefined && { opened }) };
  }

  #hasLeft(evidence: Evidence, container: ModuleContainer, first: ProcessEvidence, pid: number): Judged {
    const opened = this.#ports.opened(evidence, pid);
    const known = { ...evidence, process: first, ...(opened !== undefined && { opened }) };
    return this.#refused(known, container, first, this.#ports.decide(known));
  }
}

/** Which processes of the container an event tells of. */
function pidsOf(event: ContainerEvent | undefined, containerId: string): { first?: number; entrant?: number } {
  if (event?.pid === undefined || event.containerId !== containerId) return {};
  return event.phase === 'Entered' ? { entrant: event.pid } : { first: event.pid };
}

/** Processes that are measured in one turn of the event loop: some milliseconds of it. */
const LOOKS_AT_ONCE = 8;

/** The runtime's helper, which is not of the image. */
function isRuntimeInit({ executable }: ProcessEvidence): boolean {
  return /(^|\/)(runc|crun|youki)\b|memfd:runc/.test(executable.path);
}
