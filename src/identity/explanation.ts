// SPDX-License-Identifier: Apache-2.0
import type { ContainerEvidence, Evidence, ImageEvidence, Privileges, RuleResult, Verdict } from '../attest/port.ts';
import { timestamp, type Holding } from './holding.ts';
import { isStandIn } from './host-module.ts';

/** Why a pod has its identity or not, or a process would, as the agent of its node tells it. Holds no secret. */
export interface Explanation {
  readonly node: string;
  /** `<namespace>/<name>` and uid; undefined for a process in no pod of the node. */
  readonly pod?: string;
  readonly podUid?: string;
  readonly verdict: Holding['verdict'];
  readonly reason?: string;
  readonly message?: string;
  /** Since when the verdict is this one, and when it was last looked at. RFC 3339. */
  readonly since: string;
  readonly judgedAt?: string;
  readonly table: readonly RuleResult[];
  readonly evidence: {
    readonly container?: { readonly name: string; readonly id: string; readonly image: ImageEvidence };
    readonly process?: ExplainedProcess;
  };
  /** By ModuleIdentity: what was issued, or why it was not. */
  readonly identities: readonly ExplainedIdentity[];
}

/** What was found of a process, but its environment and arguments, which can hold secrets. */
export interface ExplainedProcess {
  readonly pid: number;
  readonly executable: { readonly path: string; readonly sha256: string };
  /** systemd unit, of a process in no container. */
  readonly unit?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly privileges?: Privileges;
  /** `First`, `Descendant` or `Entered`. */
  readonly lineage?: string;
  readonly script?: string;
  /** How many files it runs code from, by where they come from. */
  readonly code?: Readonly<Record<string, number>>;
  readonly anonymousCodeBytes?: number;
}

export interface ExplainedIdentity {
  readonly name: string;
  readonly serial?: string;
  readonly notAfter?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Field by field, so that what is added to a holding is not told by mistake. */
export function explanationOf(holding: Holding, node: string): Explanation {
  const { namespace, pod, podUid, verdict, refusal, since, judgedAt, table = [], container, process } = holding;
  return {
    node,
    pod: `${namespace}/${pod}`,
    podUid,
    verdict,
    ...(refusal && { reason: refusal.reason, message: refusal.message }),
    since: timestamp(since),
    ...(judgedAt !== undefined && { judgedAt: timestamp(judgedAt) }),
    table,
    evidence: {
      // A unit is shown with its process.
      ...(container && !isStandIn(pod) && { container: explainedContainer(container) }),
      ...(process && { process: explainedProcess(process) }),
    },
    identities: holding.identities.map((name) => explainedIdentity(holding, name)),
  };
}

/** The same of one process that somebody asks about, judged `at` this moment (milliseconds since the epoch). */
export function explanationOfProcess(evidence: Evidence, verdict: Verdict, at: number): Explanation {
  const { node, pod, container, process } = evidence;
  return {
    node,
    ...(pod && { pod: `${pod.namespace}/${pod.name}`, podUid: pod.uid }),
    verdict: verdict.allowed ? 'Allowed' : 'Denied',
    ...(!verdict.allowed && { reason: verdict.reason, message: verdict.message }),
    since: timestamp(at),
    judgedAt: timestamp(at),
    table: verdict.table,
    evidence: {
      ...(container && { container: explainedContainer(container) }),
      ...(process && { process: explainedProcess(process) }),
    },
    identities: [],
  };
}

function explainedContainer({ name, id, image }: ContainerEvidence): {
  name: string;
  id: string;
  image: ImageEvidence;
} {
  return { name, id, image };
}

function explainedProcess(process: NonNullable<Holding['process']>): ExplainedProcess {
  const { pid, executable, unit, containerId, uid, gid, privileges, lineage, script, mappings, anonymousCodeBytes } =
    process;
  const code = mappings && Object.groupBy(mappings, ({ origin }) => origin);
  return {
    pid,
    executable: { path: executable.path, sha256: executable.sha256 },
    ...(unit !== undefined && containerId === undefined && { unit }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(privileges && { privileges }),
    ...(lineage && { lineage: lineage.kind }),
    ...(script && { script: `${script.path} (${script.origin})` }),
    ...(code && { code: Object.fromEntries(Object.entries(code).map(([origin, files]) => [origin, files.length])) }),
    ...(anonymousCodeBytes !== undefined && { anonymousCodeBytes }),
  };
}

function explainedIdentity({ issued, refused }: Holding, name: string): ExplainedIdentity {
  const certificate = issued.get(name);
  const refusal = refused.get(name);
  return {
    name,
    ...(certificate && { serial: certificate.serial, notAfter: timestamp(certificate.notAfter) }),
    ...(refusal && { reason: refusal.reason, message: refusal.message }),
  };
}
