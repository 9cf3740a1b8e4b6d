// SPDX-License-Identifier: Apache-2.0
import { findCondition, setCondition } from '../src/api/conditions.ts';
import { durationMs } from '../src/api/duration.ts';
import { INTEGRITY_VERIFIED } from '../src/api/names.ts';
import type { EdgeDevice, EdgeDeviceStatus, EdgeDeviceStatusIntegrity } from '../src/api/v1alpha1/index.ts';
import { timestamp } from '../src/identity/holding.ts';
import { keysOf, sameKeys } from '../src/integrity/attester-keys.ts';
import { newChallenge, pcrsToQuote, type OpenChallenge } from '../src/integrity/challenge.ts';
import { checkAttester, judge, measuredBootOf, refused, type Judgement } from '../src/integrity/judge.ts';
import type { Result } from '../src/kube/index.ts';
import type { Clock } from '../src/os/clock.ts';
import type { Cache } from './cache.ts';
import type { StatusWriter } from './status-writer.ts';

export interface DeviceIntegrityPorts {
  readonly clock: Clock;
  readonly devices: Cache<EdgeDevice>;
  readonly status: Pick<StatusWriter<EdgeDevice>, 'latest' | 'write' | 'forget'>;
}

/** How long a challenge may be answered: a discrete TPM takes up to a minute for an RSA key. */
const ANSWER_MS = 120_000;
/** A refusal is looked at again soon: it may be over, and it is to stand before it takes the node's authority away. */
const REFUSED_AGAIN_MS = 60_000;
/** Nodes that were challenged together are not for long. */
const JITTER = 0.1;

type Step =
  | { readonly kind: 'Judged'; readonly judgement: Judgement }
  | { readonly kind: 'Challenge'; readonly published: NonNullable<EdgeDeviceStatusIntegrity['challenge']> }
  | { readonly kind: 'Wait'; readonly untilMs: number };

/**
 * Reconciles the measured boot of EdgeDevices: challenges the TPM through the device's status, judges the answer that the
 * agent puts there, and says in the condition IntegrityVerified what came out. Each challenge is good for one answer, within
 * two minutes; a controller that takes over asks again.
 */
export class DeviceIntegrity {
  readonly #ports: DeviceIntegrityPorts;
  readonly #open = new Map<string, OpenChallenge>();

  constructor(ports: DeviceIntegrityPorts) {
    this.#ports = ports;
  }

  async reconcile(key: string): Promise<Result> {
    const { devices, status, clock } = this.#ports;
    const cached = devices.get(key);
    if (!cached || cached.metadata.deletionTimestamp !== undefined) {
      this.#open.delete(key);
      status.forget(key);
      return {};
    }
    const device = status.latest(cached);
    if (!device.spec.measuredBoot) {
      this.#open.delete(key);
      await status.write(device, {});
      return {};
    }
    const now = clock.now();
    const step = this.#step(key, device, now);
    if (step.kind === 'Wait') return { requeueAfterMs: Math.max(1, step.untilMs - now) };
    await status.write(device, written(device, step, now));
    if (step.kind === 'Challenge') return { requeueAfterMs: ANSWER_MS + 1 };
    return { requeueAfterMs: untilNextMs(device, step.judgement.status) * (1 - Math.random() * JITTER) };
  }

  #step(key: string, device: EdgeDevice, now: number): Step {
    const open = this.#open.get(key);
    const isInTime = open !== undefined && now - open.at <= ANSWER_MS;
    if (open && isAnswered(device, open)) {
      this.#open.delete(key);
      if (isInTime) return { kind: 'Judged', judgement: judge(device, open, now) };
      return this.#challenge(key, device, now);
    }
    if (open && isFor(device, open)) {
      if (isInTime) return { kind: 'Wait', untilMs: open.at + ANSWER_MS + 1 };
      this.#open.delete(key);
      return { kind: 'Judged', judgement: noAnswer() };
    }
    const verdict = findCondition(device.status?.conditions, INTEGRITY_VERIFIED)?.status;
    const dueAt = open || isDue(device) ? now : checkedAt(device) + untilNextMs(device, verdict);
    return now >= dueAt ? this.#challenge(key, device, now) : { kind: 'Wait', untilMs: dueAt };
  }

  #challenge(key: string, device: EdgeDevice, now: number): Step {
    const { attester } = device.status ?? {};
    const keys = keysOf(attester);
    if (!attester || !keys) return { kind: 'Judged', judgement: withoutKeys(device) };
    try {
      checkAttester(device, keys, now);
      const about = { pcrs: pcrsToQuote(measuredBootOf(device)), bootID: attester.bootID, now };
      const { open, published } = newChallenge(keys, about);
      this.#open.set(key, open);
      return { kind: 'Challenge', published };
    } catch (thrown) {
      return { kind: 'Judged', judgement: refused(thrown) };
    }
  }
}

function isAnswered({ status }: EdgeDevice, { nonce }: OpenChallenge): boolean {
  return status?.attester?.answer?.nonce === nonce.toString('base64');
}

/** Whether a challenge still fits the node: it was made for these keys and this boot. */
function isFor({ status }: EdgeDevice, open: OpenChallenge): boolean {
  const keys = keysOf(status?.attester);
  return keys !== undefined && sameKeys(keys, open.keys) && open.bootID === status?.attester?.bootID;
}

/** At once after a reboot, a change of the spec, keys that were missing, or an answer that came too late. */
function isDue({ status, metadata }: EdgeDevice): boolean {
  const { integrity = {}, attester, conditions } = status ?? {};
  const { observedGeneration, reason = '' } = findCondition(conditions, INTEGRITY_VERIFIED) ?? {};
  if (observedGeneration !== metadata.generation || integrity.bootID !== attester?.bootID) return true;
  if (reason === NO_ANSWER) return attester?.answer?.nonce === integrity.challenge?.nonce;
  return [NO_ATTESTER, TPM_UNUSABLE].includes(reason) && keysOf(attester) !== undefined;
}

function checkedAt({ status }: EdgeDevice): number {
  return Date.parse(status?.integrity?.checked ?? '1970-01-01T00:00:00Z');
}

function untilNextMs(device: EdgeDevice, verdict: string | undefined): number {
  return verdict === 'False' ? Math.min(REFUSED_AGAIN_MS, intervalMs(device)) : intervalMs(device);
}

function intervalMs(device: EdgeDevice): number {
  return durationMs(measuredBootOf(device).interval);
}

function written(device: EdgeDevice, step: Exclude<Step, { kind: 'Wait' }>, now: number): EdgeDeviceStatus {
  const before = device.status?.integrity ?? {};
  const conditions = (device.status?.conditions ?? []).filter(({ type }) => type === INTEGRITY_VERIFIED);
  if (step.kind === 'Challenge') {
    const integrity = { ...before, challenge: step.published };
    return { integrity, ...(conditions.length > 0 && { conditions }) };
  }
  const { status, reason, message, ...proven } = step.judgement;
  const observedGeneration = device.metadata.generation ?? 0;
  const condition = { type: INTEGRITY_VERIFIED, status, reason, message, observedGeneration };
  const { bootID: _before, ...rest } = before;
  const bootID = device.status?.attester?.bootID;
  return {
    conditions: [...setCondition(conditions, condition, new Date(now))],
    integrity: { ...rest, checked: timestamp(now), ...(bootID !== undefined && { bootID }), ...proven },
  };
}

const NO_ANSWER = 'NoAnswer';
const NO_ATTESTER = 'NoAttester';
const TPM_UNUSABLE = 'TpmUnusable';

function noAnswer(): Judgement {
  const message = `The node has not answered the challenge within ${ANSWER_MS / 1000} s. It may be off or cut off from the API server; it is asked again.`;
  return { status: 'Unknown', reason: NO_ANSWER, message };
}

function withoutKeys({ status, metadata }: EdgeDevice): Judgement {
  const { failure } = status?.attester ?? {};
  if (failure) {
    return { status: 'Unknown', reason: TPM_UNUSABLE, message: `${failure.reason}: ${failure.message}` };
  }
  const message = `The agent of node ${metadata.name ?? ''} has not told the keys of its TPM yet.`;
  return { status: 'Unknown', reason: NO_ATTESTER, message };
}
