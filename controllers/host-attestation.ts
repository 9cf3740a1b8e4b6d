// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../src/api/pod.ts';
import type {
  ContainerEvidence,
  Evidence,
  ModulePolicy,
  MomentEvidence,
  NodeIntegrity,
  ProcessEvidence,
  Verdict,
} from '../src/attest/port.ts';
import { pastExec } from './past-exec.ts';
import type { Attestation } from './pod-attestation.ts';

export interface HostAttestationPorts {
  readonly node: string;
  /** Evidence of one process of the host. Undefined where it is gone. */
  measure(pid: number): Promise<ProcessEvidence | undefined>;
  /** Host pids of all processes in a systemd unit. */
  processesOf(unit: string): readonly number[];
  /** Of this node's measured boot; undefined where that is not enforced. */
  integrity(): NodeIntegrity | undefined;
  moment(): MomentEvidence;
  decide(evidence: Evidence): Verdict;
  /** Resolves after so many milliseconds. */
  sleep(milliseconds: number): Promise<void>;
}

/** Gathers the evidence about the unit of a module of the host and has it judged: every process, as in a container. */
export class HostAttestation {
  readonly #ports: HostAttestationPorts;

  constructor(ports: HostAttestationPorts) {
    this.#ports = ports;
  }

  /** `standIn` is what stands for the module among the pods. Absent where the unit has no process. */
  async attest(standIn: Pod, policy: ModulePolicy): Promise<Attestation> {
    const sleep = (milliseconds: number): Promise<void> => this.#ports.sleep(milliseconds);
    return pastExec(() => this.#judgeOnce(standIn, policy), { isStarter: isOfSystemd, sleep });
  }

  async #judgeOnce(standIn: Pod, policy: ModulePolicy): Promise<Attestation> {
    const { unit = '' } = policy.host ?? {};
    const pids = this.#ports.processesOf(unit);
    const processes = (await this.#measured(pids)).sort(byAge);
    const [first] = processes;
    if (!first) return { state: 'Absent' };
    const container = asContainer(unit, standIn.metadata.uid, first);
    for (const process of processes) {
      const verdict = this.#decide(policy, process);
      if (!verdict.allowed) return { state: 'Judged', container, process, verdict };
    }
    return { state: 'Judged', container, process: first, verdict: this.#decide(policy, first) };
  }

  async #measured(pids: readonly number[]): Promise<ProcessEvidence[]> {
    const found: ProcessEvidence[] = [];
    for (const [at, pid] of pids.entries()) {
      // A unit of ten thousand processes shall not keep the node's other modules waiting.
      if (at > 0 && at % LOOKS_AT_ONCE === 0) await this.#ports.sleep(0);
      const process = await this.#ports.measure(pid);
      if (process) found.push(process);
    }
    return found;
  }

  #decide(policy: ModulePolicy, process: ProcessEvidence): Verdict {
    const { node } = this.#ports;
    const integrity = this.#ports.integrity();
    return this.#ports.decide({
      ...{ node, process, modules: [policy], phase: 'Running', moment: this.#ports.moment() },
      ...(integrity && { integrity }),
    });
  }
}

/** Processes that are measured in one turn of the event loop: some milliseconds of it. */
const LOOKS_AT_ONCE = 8;

/** What systemd starts in a unit is in its cgroup while it is still systemd itself, or its helper. */
function isOfSystemd({ executable }: ProcessEvidence): boolean {
  return /\/systemd\/systemd(?:-executor)?$/.test(executable.path);
}

/** The oldest first: it is taken for the unit's main process. */
function byAge(left: ProcessEvidence, right: ProcessEvidence): number {
  const ticks = Number(BigInt(left.startTime) - BigInt(right.startTime));
  return ticks || left.pid - right.pid;
}

/** What holds an identity is told by its container; a unit's is that of its first process, and its program is its image. */
function asContainer(unit: string, podUid: string, { pid, startTime, executable, uid, gid }: ProcessEvidence) {
  const image = { reference: executable.path, config: `sha256:${executable.sha256}` };
  return { id: `${pid}-${startTime}`, name: unit, podUid, image, uid, gid, pid } satisfies ContainerEvidence;
}
