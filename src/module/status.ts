// SPDX-License-Identifier: Apache-2.0
import { setCondition, type Condition, type ConditionUpdate } from '../api/conditions.ts';
import { ATTESTED_GATE } from '../api/names.ts';
import type { Pod } from '../api/pod.ts';
import type {
  EdgeModule,
  EdgeModuleStatus,
  EdgeModuleStatusDenial,
  ModuleIdentityStatusHolder,
} from '../api/v1alpha1/index.ts';
import { digestsOf } from '../identity/module-match.ts';

/** A condition without its type and times. */
export type Finding = Pick<ConditionUpdate, 'status' | 'reason' | 'message'>;

/** What is known of a module besides its spec. */
export interface ModuleObservation {
  readonly workload?: NonNullable<EdgeModuleStatus['workload']>;
  readonly deployed: Finding;
  /** Pods that should run, pods that are ready, and whether all that run are of the current template. */
  readonly desired: number;
  readonly ready: number;
  readonly current: boolean;
  /** Pods that the module claims and that have not ended. */
  readonly pods: readonly Pod[];
  /** Entries of all identities of the module. */
  readonly holders: readonly ModuleIdentityStatusHolder[];
  /** Set where another module claims one of the pods as well. */
  readonly ambiguous?: string;
}

/** Kubernetes' own limit for this list in the CRD. */
const MAX_DENIALS = 32;

/** EdgeModule.status of what was observed. Pure; times of conditions that did not change are kept. */
export function moduleStatus(module: EdgeModule, observed: ModuleObservation, now: Date): EdgeModuleStatus {
  const generation = module.metadata.generation ?? 0;
  const attestedPods = attested(observed);
  const denials = denialsOf(observed);
  const findings: [string, Finding][] = [
    ['Deployed', observed.deployed],
    ['Attested', attestation(module, observed, { attested: attestedPods, denials })],
  ];
  findings.unshift(['Ready', readiness(module, observed, findings)]);
  const conditions = findings.reduce<readonly Condition[]>(
    (all, [type, finding]) => setCondition(all, { type, ...finding, observedGeneration: generation }, now),
    module.status?.conditions ?? [],
  );
  return {
    observedGeneration: generation,
    conditions,
    ...(observed.workload && { workload: observed.workload }),
    digests: digestsOf(module),
    desired: observed.desired,
    ready: observed.ready,
    attested: attestedPods,
    denials,
  };
}

/** A pod counts by its readiness gate, or, as pods of others have none, by an identity that it holds. */
function attested({ pods, holders }: ModuleObservation): number {
  const holding = new Set(holders.filter(({ verdict }) => verdict === 'Allowed').map(({ podUid }) => podUid));
  return pods.filter(({ metadata, status }) => {
    const gate = status?.conditions?.find(({ type }) => type === ATTESTED_GATE);
    return gate ? gate.status === 'True' : holding.has(metadata.uid);
  }).length;
}

function denialsOf({ pods, holders }: ModuleObservation): EdgeModuleStatusDenial[] {
  const existing = new Set(pods.map(({ metadata }) => metadata.uid));
  const denied = new Map<string, EdgeModuleStatusDenial>();
  for (const { verdict, podUid, pod, node, reason = 'Denied', message = '', since } of holders) {
    if (verdict !== 'Denied' || !existing.has(podUid) || denied.has(podUid)) continue;
    denied.set(podUid, { podUid, pod, node, reason, message, since });
  }
  return [...denied.values()].sort((left, right) => (left.pod < right.pod ? -1 : 1)).slice(0, MAX_DENIALS);
}

/**
 * Counts against what should run, so that a stranger who merely carries the module's label, and is denied, does not
 * make the module itself look unattested.
 */
function attestation(
  { spec }: EdgeModule,
  observed: ModuleObservation,
  { attested, denials }: { attested: number; denials: readonly EdgeModuleStatusDenial[] },
): Finding {
  const { desired, ambiguous } = observed;
  if (ambiguous !== undefined) return { status: 'False', reason: 'ModuleAmbiguous', message: ambiguous };
  if (spec.desiredState === 'Stopped') return { status: 'False', reason: 'Stopped', message: 'The module is stopped.' };
  const [first] = denials;
  const also = first ? ` Denied: ${first.pod}, ${first.reason}: ${first.message}` : '';
  const count = `${attested} of ${desired} pods are attested.${also}`;
  if (desired === 0) return { status: 'True', reason: 'NoPods', message: `No pod shall run.${also}` };
  if (attested >= desired) return { status: 'True', reason: 'Attested', message: count };
  return { status: 'False', reason: first?.reason ?? 'Pending', message: count };
}

function readiness({ spec }: EdgeModule, observed: ModuleObservation, others: readonly [string, Finding][]): Finding {
  if (spec.desiredState === 'Stopped') return { status: 'False', reason: 'Stopped', message: 'The module is stopped.' };
  const failing = others.find(([, { status }]) => status !== 'True');
  if (failing) return { ...failing[1], status: 'False' };
  const { desired, ready, current } = observed;
  if (!current)
    return { status: 'False', reason: 'RollingOut', message: 'Pods of the former template are being replaced.' };
  if (ready < desired)
    return { status: 'False', reason: 'PodsNotReady', message: `${ready} of ${desired} pods are ready.` };
  return { status: 'True', reason: 'Ready', message: `${ready} of ${desired} pods are ready and attested.` };
}
