// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import type { ModuleIdentity, ModuleIdentityStatusHolder } from '../api/v1alpha1/index.ts';
import type { RevocationReason } from '../issue/crl.ts';
import type { ContainerEvidence, ProcessEvidence, RuleResult } from '../attest/port.ts';
import type { HeldKeyReference } from '../deliver/port.ts';
import { ERROR_CODES, isErrorCode } from '../errors.ts';
import { isStandIn } from './host-module.ts';

/** Why a pod has no identity: a rule's reason or an error code, with what to do about it. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
  /** Nothing speaks against the module: what it holds may stay, only nothing new can be issued just now. */
  readonly passing?: true;
}

/** Whether it may end by itself: an error that may pass, or nothing against the module at all. */
export function mayPass({ reason, passing }: Refusal): boolean {
  return passing === true || (isErrorCode(reason) && ERROR_CODES[reason].retryable);
}

/** Why something was taken back: for the revocation list, and in one word for the record. */
export interface Withdrawal {
  readonly reason: RevocationReason;
  readonly cause: string;
}

/** What was issued to a pod for one ModuleIdentity. Times in milliseconds since the Unix epoch. */
export interface Issued {
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly renewalTime: number;
  /** Counts the certificates issued to this pod for this identity, from 1. */
  readonly revision: number;
  /** The key in the token that it is for; undefined for a key in memory. */
  readonly heldKey?: HeldKeyReference;
  /** UID of the EdgeDevice under which it was issued. */
  readonly deviceUid?: string;
  /** PEM, leaf first, of what lies in a Secret: nobody here may read it. Undefined after a restart of the agent. */
  readonly chain?: string;
  /** Name of that Secret, empty where it was put into none. Undefined after a restart of the agent. */
  readonly secret?: string;
}

/** The last verdict on a pod's module process, and what the pod holds because of it. Replaced, never changed. */
export interface Holding {
  readonly podUid: string;
  readonly namespace: string;
  readonly pod: string;
  readonly verdict: 'Allowed' | 'Denied' | 'Ended';
  readonly refusal?: Refusal;
  /** The module's policy is Report: it is refused in name only, and keeps what it has. */
  readonly reported?: true;
  /** Milliseconds since the epoch at which the verdict last changed. */
  readonly since: number;
  /** What was executed in the container from outside, in words; it takes the identity until the container restarts. */
  readonly opened?: string;
  /** The rules' findings at the last measurement, and when that was. */
  readonly table?: readonly RuleResult[];
  readonly judgedAt?: number;
  readonly container?: ContainerEvidence;
  readonly process?: Pick<ProcessEvidence, 'pid' | 'startTime' | 'executable'> & Partial<ProcessEvidence>;
  /** Names of the ModuleIdentities (in the pod's namespace) that this pod asks for. */
  readonly identities: readonly string[];
  readonly issued: ReadonlyMap<string, Issued>;
  /** Why an identity could not be issued though the process was allowed, by the identity's name. */
  readonly refused: ReadonlyMap<string, Refusal>;
}

/** Whether a new verdict says something else than the one before, so that its time and Event are new. */
export function verdictChanged(before: Holding | undefined, now: Omit<Holding, 'since'>): boolean {
  return (
    before?.verdict !== now.verdict ||
    before.refusal?.reason !== now.refusal?.reason ||
    before.container?.id !== now.container?.id
  );
}

/** Since when the status says the same of this container: the memory of an agent that was restarted. */
export function recordedSince(identities: readonly ModuleIdentity[], now: Omit<Holding, 'since'>): number | undefined {
  const entries = identities.flatMap(({ status }) => status?.holders ?? []);
  const same = entries.find(
    ({ podUid, containerId, verdict, reason }) =>
      podUid === now.podUid &&
      containerId === now.container?.id &&
      verdict === now.verdict &&
      reason === now.refusal?.reason,
  );
  return same && Date.parse(same.since);
}

/** An entry of ModuleIdentity.status.holders, as the agent of `node` writes it. */
export function holderEntry(holding: Holding, identity: string, node: string): Record<string, unknown> {
  const { container, process } = holding;
  const issued = holding.issued.get(identity);
  const refusal = holding.refusal ?? holding.refused.get(identity);
  const verdict = holding.verdict === 'Allowed' && refusal ? 'Denied' : holding.verdict;
  return {
    podUid: holding.podUid,
    pod: holding.pod,
    node,
    verdict,
    since: timestamp(holding.since),
    ...(refusal && { reason: refusal.reason, message: refusal.message.slice(0, MESSAGE_LIMIT) }),
    ...(container && { container: container.name, containerId: container.id }),
    ...(container && !isStandIn(holding.pod) && { imageDigest: imageDigest(container) }),
    ...(process && { pid: process.pid }),
    ...(process?.executable.sha256 && {
      executable: { path: process.executable.path, sha256: process.executable.sha256 },
    }),
    ...(holding.opened !== undefined && { opened: holding.opened.slice(0, MESSAGE_LIMIT) }),
    ...(issued && {
      serial: issued.serial,
      notBefore: timestamp(issued.notBefore),
      notAfter: timestamp(issued.notAfter),
      renewalTime: timestamp(issued.renewalTime),
      revision: issued.revision,
      ...(issued.deviceUid !== undefined && { deviceUid: issued.deviceUid }),
      key: keyEntry(issued),
    }),
  };
}

/** Whether a pod's entry in the status of an identity is another than before. */
export function entryChanged(identity: string, now: Holding | undefined, before: Holding | undefined): boolean {
  const [next, former] = [now, before].map(
    (holding) => holding?.identities.includes(identity) && holderEntry(holding, identity, ''),
  );
  return !isDeepStrictEqual(next, former);
}

function keyEntry({ heldKey }: Issued): Record<string, unknown> {
  if (!heldKey) return { residency: 'Memory' };
  return { residency: 'Hardware', uri: heldKey.uri, generation: heldKey.name.generation };
}

/** Kubernetes limits condition messages to 32 KiB; a status entry should stay readable. */
const MESSAGE_LIMIT = 1024;

/** The digest by which users know an image: that of the index, else of the manifest, else of the configuration. */
export function imageDigest({ image }: ContainerEvidence): string {
  return image.index ?? image.manifest ?? image.config;
}

/** RFC 3339 in whole seconds, as metav1.Time. */
export function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** The Secret into which an identity is delivered; undefined where it is not delivered so. */
export function secretName({ spec, metadata }: ModuleIdentity): string | undefined {
  return spec.delivery.includes('Secret') ? (spec.secretName ?? metadata.name) : undefined;
}

/** Whether the status says of such a pod or container that it holds something: the memory of an agent that was restarted. */
export function isRecordedHolder(
  identities: readonly ModuleIdentity[],
  matches: (holder: ModuleIdentityStatusHolder) => boolean,
): boolean {
  const holders = identities.flatMap(({ status }) => status?.holders ?? []);
  return holders.some((holder) => holder.serial !== undefined && matches(holder));
}

/** What is known to have been executed in a container from outside; after a restart of the agent the status remembers it. */
export function openedBefore(
  holding: Holding | undefined,
  identities: readonly ModuleIdentity[],
  containerId: string,
): string | undefined {
  if (holding) return holding.container?.id === containerId ? holding.opened : undefined;
  const holders = identities.flatMap(({ status }) => status?.holders ?? []);
  return holders.find((holder) => holder.containerId === containerId && holder.opened !== undefined)?.opened;
}

/**
 * What the status says was issued to this very container before: the memory of an agent that was restarted.
 * The status is written by agents only, and nothing secret follows from it.
 */
export function issuedBefore(
  { metadata, status }: ModuleIdentity,
  podUid: string,
  containerId: string,
): Issued | undefined {
  const entry = status?.holders?.find((holder) => holder.podUid === podUid && holder.containerId === containerId);
  if (!entry?.serial || !entry.notBefore || !entry.notAfter || !entry.renewalTime) {
    return undefined;
  }
  const heldKey = heldKeyIn(entry, metadata.uid ?? '');
  return {
    serial: entry.serial,
    notBefore: Date.parse(entry.notBefore),
    notAfter: Date.parse(entry.notAfter),
    renewalTime: Date.parse(entry.renewalTime),
    revision: entry.revision ?? 1,
    ...(heldKey && { heldKey }),
    ...(entry.deviceUid !== undefined && { deviceUid: entry.deviceUid }),
  };
}

function heldKeyIn({ key }: ModuleIdentityStatusHolder, identityUid: string): HeldKeyReference | undefined {
  if (key?.uri === undefined || key.generation === undefined) return undefined;
  return { name: { identityUid, generation: key.generation }, uri: key.uri };
}
