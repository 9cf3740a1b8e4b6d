// SPDX-License-Identifier: Apache-2.0
import type { DenialReason, Evidence, ModulePolicy, PodEvidence, ProcessEvidence } from './port.ts';

/**
 * What a rule says: it holds, it does not, it does not and that is only to be reported, or it cannot be judged yet. The
 * message is for the user in all cases.
 */
export interface Finding {
  readonly outcome: 'Held' | 'Reported' | 'Failed' | 'Skipped';
  readonly message: string;
  /** Where a rule can fail in more than one way. */
  readonly reason?: DenialReason;
}

/** One rule of attestation. It may rely on all rules before it in the table. */
export interface Rule {
  readonly name: string;
  /** The reason that a denial by this rule has, unless the finding names another. */
  readonly reason: DenialReason;
  check(evidence: Evidence): Finding;
}

export function held(message: string): Finding {
  return { outcome: 'Held', message };
}

/** A failure in three parts: what was expected, what was found, what to do about it. */
export function failed(expected: string, found: string, remedy: string): Finding {
  return { outcome: 'Failed', message: `expected ${expected}, found ${found}; ${remedy}` };
}

/** The same, for what the module's policy says to report alone. */
export function reported(finding: Finding): Finding {
  return { ...finding, outcome: 'Reported' };
}

/** What no earlier rule lets through; refused all the same, so that the order of the table is no matter of security. */
export function unknown(what: string): Finding {
  return failed(`${what} of one module`, 'none', 'this is a defect of Keystead, please report it');
}

/** A check of the running process against the one module; skipped before it runs. */
export function ofProcess(
  check: (process: ProcessEvidence, module: ModulePolicy, evidence: Evidence) => Finding,
): (evidence: Evidence) => Finding {
  return (evidence) => {
    if (evidence.phase === 'Starting') return skippedUntilRunning;
    const module = onlyModule(evidence);
    return module === undefined || evidence.process === undefined
      ? unknown('a process')
      : check(evidence.process, module, evidence);
  };
}

/** For rules on the process while the container's start is held and the module's program does not run yet. */
export const skippedUntilRunning: Finding = {
  outcome: 'Skipped',
  message: 'judged when the process runs',
};

export function podName(pod: PodEvidence): string {
  return `${pod.namespace}/${pod.name}`;
}

export function moduleName(module: ModulePolicy): string {
  return `${module.namespace}/${module.name}`;
}

/** The one module that the pod belongs to; undefined where there is none or more than one. */
export function onlyModule(evidence: Evidence): ModulePolicy | undefined {
  return evidence.modules.length === 1 ? evidence.modules[0] : undefined;
}

/** Name of the container that is the module: the one that the policy names, else the pod's first. */
export function moduleContainer(pod: PodEvidence, module: ModulePolicy): string | undefined {
  return module.container ?? pod.containers[0];
}
