// SPDX-License-Identifier: Apache-2.0
import { durationMs } from '../src/api/duration.ts';
import type { Pod } from '../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { Verdict } from '../src/attest/port.ts';
import {
  isRecordedHolder,
  openedBefore,
  recordedSince,
  secretName,
  verdictChanged,
  type Holding,
  type Issued,
  type Refusal,
} from '../src/identity/holding.ts';
import { KeyedLock } from '../src/identity/keyed-lock.ts';
import { modulesOf, policyOf } from '../src/identity/module-match.ts';
import { hasEnded } from '../src/identity/pod-evidence.ts';
import type { Clock } from '../src/os/clock.ts';
import type { ContainerEvent } from '../src/runtime/port.ts';
import { ExitWatches, type ExitWatchPorts } from './exit-watches.ts';
import type { Attestation, PodAttestation } from './pod-attestation.ts';
import type { PodDelivery } from './pod-delivery.ts';
import { endedHolding, PodWithdrawal, violationOf, type Withdrawing } from './pod-withdrawal.ts';

export interface PodIdentityPorts extends ExitWatchPorts {
  readonly clock: Clock;
  readonly attestation: Pick<PodAttestation, 'attest'>;
  readonly delivery: Pick<PodDelivery, 'ensure'> & Withdrawing;
  /** This node's pods, by uid. */
  pod(uid: string): Pod | undefined;
  /** Whether one that is not among them is gone; an agent that starts while the API server is away knows only older ones. */
  knowsAllPods(): boolean;
  modules(namespace: string): readonly EdgeModule[];
  identities(namespace: string, module: string): readonly ModuleIdentity[];
  /** Whether the kubelet published an identity volume for the pod. */
  hasVolume(podUid: string): boolean;
  /** Told of every new holding, and with `now` undefined of a pod that is gone. */
  report(podUid: string, now: Holding | undefined, before: Holding | undefined): void;
  /** Deletes the pod of a module whose policy is Evict. */
  evict(pod: Pod, refusal: Refusal): void;
}

/** What a look at a pod asks for next. */
export interface Next {
  readonly requeueAfterMs?: number;
}

type Judged = Extract<Attestation, { state: 'Judged' }>;

interface Claim {
  readonly modules: readonly EdgeModule[];
  readonly identities: readonly ModuleIdentity[];
}

/**
 * Reconciles the pods of this node: attest the module's processes, give it what its identities ask for, renew in
 * time, and take everything back when the verdict changes. Level-based: what a look finds decides, not what was
 * told. Looks at one pod never overlap.
 */
export class PodIdentity {
  readonly #ports: PodIdentityPorts;
  readonly #withdrawal: PodWithdrawal;
  readonly #lock = new KeyedLock();
  readonly #holdings = new Map<string, Holding>();
  readonly #exits: ExitWatches;

  constructor(ports: PodIdentityPorts) {
    this.#ports = ports;
    this.#withdrawal = new PodWithdrawal(ports.delivery);
    this.#exits = new ExitWatches(ports);
  }

  holdings(): IterableIterator<Holding> {
    return this.#holdings.values();
  }

  holding(podUid: string): Holding | undefined {
    return this.#holdings.get(podUid);
  }

  /** Looks at a pod and acts. An `event` of phase Starting means that the runtime waits for the promise. */
  reconcile(podUid: string, event?: ContainerEvent): Promise<Next> {
    return this.#lock.run(podUid, () => this.#look(podUid, event));
  }

  async #look(podUid: string, event?: ContainerEvent): Promise<Next> {
    const pod = this.#ports.pod(podUid);
    if (!pod && !this.#ports.knowsAllPods()) return { requeueAfterMs: UNKNOWN_LOOK_MS };
    if (!pod || hasEnded(pod)) return this.#forget(podUid);
    const claim = this.#claim(pod);
    if (claim.modules.length === 0 && !this.#ports.hasVolume(podUid)) return this.#forget(podUid);
    const policies = claim.modules.map(policyOf);
    const secretNames = new Set(claim.identities.map(secretName).filter((name) => name !== undefined));
    const opened = (containerId: string): string | undefined =>
      openedBefore(this.#holdings.get(podUid), claim.identities, containerId);
    const held = this.#holdings.get(podUid)?.container?.id;
    const subject = { pod, policies, secretNames, opened, ...(held !== undefined && { held }) };
    const attestation = await this.#ports.attestation.attest(subject, event);
    await this.#act(pod, claim, attestation);
    return this.#next(podUid, claim);
  }

  #claim(pod: Pod): Claim {
    const { namespace } = pod.metadata;
    const modules = modulesOf(pod, this.#ports.modules(namespace));
    const identities = modules.flatMap(({ metadata }) => this.#ports.identities(namespace, metadata.name ?? ''));
    return { modules, identities };
  }

  async #act(pod: Pod, claim: Claim, attestation: Attestation): Promise<void> {
    const podUid = pod.metadata.uid;
    const before = this.#holdings.get(podUid);
    switch (attestation.state) {
      case 'Unrelated':
        return;
      case 'Pending':
        // Created, perhaps held right now. What the container before it had is void; what it has itself stays.
        if (before && before.container?.id !== attestation.container.id) this.#end(pod, claim, before);
        return;
      case 'Absent':
        // One that is not remembered may have ended while no agent was there.
        if (
          before ? before.verdict !== 'Ended' : isRecordedHolder(claim.identities, (holder) => holder.podUid === podUid)
        )
          this.#end(pod, claim, before);
        return;
      case 'Judged':
        if (attestation.verdict.allowed) await this.#allow(pod, claim, attestation);
        else await this.#deny(pod, claim, attestation);
    }
  }

  async #allow(pod: Pod, claim: Claim, judged: Judged): Promise<void> {
    const before = this.#holdings.get(pod.metadata.uid);
    const { container, process } = judged;
    const wasAllowed = before?.verdict === 'Allowed' || before?.reported === true;
    const sameContainer = before?.container?.id === container.id && wasAllowed;
    const isVoid = before !== undefined && !sameContainer;
    // Nothing is remembered of a pod after a restart of the agent: then what lies in its volume is looked at.
    const issuedBefore = isVoid ? undefined : (before?.issued ?? new Map<string, Issued>());
    if (isVoid) this.#withdrawal.all(pod.metadata.uid, claim.identities, endedHolding(before));
    this.#withdrawal.unclaimed(pod.metadata.uid, claim.identities, before);
    const { issued, refused } = await this.#ensure(pod, claim, judged, issuedBefore);
    this.#record(pod, claim, {
      verdict: 'Allowed',
      ...this.#judged(judged.verdict),
      container,
      issued,
      refused,
      ...(process && { process }),
    });
    if (process) this.#exits.watch(pod.metadata.uid, process);
  }

  async #ensure(
    pod: Pod,
    claim: Claim,
    { container, process }: Judged,
    before: ReadonlyMap<string, Issued> | undefined,
  ): Promise<Pick<Holding, 'issued' | 'refused'>> {
    const issued = new Map<string, Issued>();
    const refused = new Map<string, Refusal>();
    for (const identity of claim.identities) {
      const name = identity.metadata.name ?? '';
      const result = await this.#ports.delivery.ensure(identity, {
        pod,
        module: identity.spec.moduleRef.name,
        container,
        identities: claim.identities,
        issued: before,
        ...(process && { pid: process.pid }),
      });
      if ('reason' in result) refused.set(name, result);
      else issued.set(name, result);
    }
    return { issued, refused };
  }

  async #deny(pod: Pod, claim: Claim, judged: Judged): Promise<void> {
    const { verdict, container, process, opened } = judged;
    const refusal = refusalOf(verdict);
    const before = this.#holdings.get(pod.metadata.uid);
    const reported = isReportOnly(claim) && keepsIdentity(claim.identities, container.id, before);
    if (!reported) this.#withdrawal.all(pod.metadata.uid, claim.identities, violationOf(refusal, before));
    const held = reported
      ? await this.#ensure(pod, claim, judged, before?.issued ?? new Map<string, Issued>())
      : { issued: new Map<string, Issued>(), refused: new Map<string, Refusal>() };
    this.#record(pod, claim, {
      verdict: 'Denied',
      ...this.#judged(verdict),
      refusal,
      container,
      ...held,
      ...(reported && { reported }),
      ...(opened !== undefined && { opened }),
      ...(process && { process }),
    });
    if (process) this.#exits.watch(pod.metadata.uid, process);
    if (claim.modules.some(({ spec }) => spec.onViolation === 'Evict')) this.#ports.evict(pod, refusal);
  }

  /** The module's process is gone: what it had is void, and the next one is judged anew. */
  #end(pod: Pod, claim: Claim, before: Holding | undefined): void {
    this.#withdrawal.all(pod.metadata.uid, claim.identities, endedHolding(before));
    this.#exits.unwatch(pod.metadata.uid);
    const refusal = { reason: 'ProcessEnded', message: 'The module process has ended; its identity was withdrawn.' };
    const { container, process, table, judgedAt } = before ?? {};
    this.#record(pod, claim, {
      verdict: 'Ended',
      ...(table && judgedAt !== undefined && { table, judgedAt }),
      refusal,
      issued: new Map(),
      refused: new Map(),
      ...(container && { container }),
      ...(process && { process }),
    });
  }

  /** Kept for `keystead explain`. */
  #judged({ table }: Verdict): Pick<Holding, 'table' | 'judgedAt'> {
    return { table, judgedAt: this.#ports.clock.now() };
  }

  #record(pod: Pod, claim: Claim, found: Omit<Holding, 'since' | 'podUid' | 'namespace' | 'pod' | 'identities'>): void {
    const { uid, namespace, name } = pod.metadata;
    const before = this.#holdings.get(uid);
    const identities = claim.identities.map(({ metadata }) => metadata.name ?? '');
    const now = { ...found, podUid: uid, namespace, pod: name, identities };
    const known = before
      ? verdictChanged(before, now)
        ? undefined
        : before.since
      : recordedSince(claim.identities, now);
    const since = known ?? this.#ports.clock.now();
    const holding: Holding = { ...now, since };
    this.#holdings.set(uid, holding);
    this.#ports.report(uid, holding, before);
  }

  #forget(podUid: string): Next {
    const before = this.#holdings.get(podUid);
    this.#exits.unwatch(podUid);
    this.#withdrawal.gone(podUid, before);
    if (!before) return {};
    this.#holdings.delete(podUid);
    this.#ports.report(podUid, undefined, before);
    return {};
  }

  #next(podUid: string, claim: Claim): Next {
    const holding = this.#holdings.get(podUid);
    // Nobody tells of a unit's start, as the container runtime tells of a container's.
    if (!holding || holding.verdict === 'Ended')
      return claim.modules.some(({ spec }) => spec.host) ? { requeueAfterMs: UNIT_LOOK_MS } : {};
    const now = this.#ports.clock.now();
    const intervals = claim.modules.map(({ spec }) => untilMeasured(durationMs(spec.remeasureInterval), now));
    // What is overdue could not be had just now.
    const renewals = [...holding.issued.values()].map(({ renewalTime }) =>
      renewalTime > now ? renewalTime - now : REFUSED_RETRY_MS,
    );
    const retry = holding.refused.size > 0 ? [REFUSED_RETRY_MS] : [];
    return {
      requeueAfterMs: Math.max(MINIMUM_WAIT_MS, Math.min(...intervals, ...renewals, ...retry, LONGEST_WAIT_MS)),
    };
  }
}

/** A refusal by the notary or the API may pass (token back, name free again): asked again after so long. */
const REFUSED_RETRY_MS = 5_000;
/** How long a unit may run before its files are there. A call on its socket is judged at once. */
const UNIT_LOOK_MS = 5_000;
/** How long a pod waits that nobody can tell of while the API server is away. */
const UNKNOWN_LOOK_MS = 5_000;
/** Modules that are due within so long are measured one behind the other: they share one look at the processes of the node. */
const SHARED_LOOK_MS = 10_000;
const MINIMUM_WAIT_MS = 100;
const LONGEST_WAIT_MS = 3_600_000;

/** Never longer than the interval; shorter the first time only, where it is a multiple of what is shared. */
function untilMeasured(interval: number, now: number): number {
  if (interval < 2 * SHARED_LOOK_MS) return interval;
  return Math.floor((now + interval) / SHARED_LOOK_MS) * SHARED_LOOK_MS - now;
}

function isReportOnly({ modules }: Claim): boolean {
  return modules.length > 0 && modules.every(({ spec }) => spec.onViolation === 'Report');
}

/** Report speaks of what happens after the first attestation: only a container that was allowed once keeps something. */
function keepsIdentity(
  identities: readonly ModuleIdentity[],
  containerId: string,
  before: Holding | undefined,
): boolean {
  if (before) return before.issued.size > 0 && before.container?.id === containerId;
  return isRecordedHolder(identities, ({ containerId: recorded }) => recorded === containerId);
}

function refusalOf(verdict: Verdict): Refusal {
  if (verdict.allowed) return { reason: 'Allowed', message: '' };
  return { reason: verdict.reason, message: verdict.message };
}
