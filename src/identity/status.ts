// SPDX-License-Identifier: Apache-2.0
import { setCondition, type Condition, type ConditionUpdate } from '../api/conditions.ts';
import type { ModuleIdentity, ModuleIdentityStatus, ModuleIdentityStatusHolder } from '../api/v1alpha1/index.ts';
import type { Refusal } from './holding.ts';

type Finding = Pick<ConditionUpdate, 'status' | 'reason' | 'message'>;

/** What is known of an identity besides its spec. */
export interface IdentityObservation {
  /** Why nothing may be issued for it at all; the SPIFFE ID otherwise. */
  readonly claim: { readonly spiffeId: string } | Refusal;
  /** Entries of pods that exist and that the module claims. */
  readonly holders: readonly ModuleIdentityStatusHolder[];
  /** Pods that should hold it. */
  readonly desired: number;
  /** State of the Secret; undefined where none is asked for. */
  readonly secret: Finding | undefined;
}

/** What is summed up in ModuleIdentity.status. `holders` are the agents'; `secretName` is noted before the Secret is made. */
export type IdentitySummary = Omit<ModuleIdentityStatus, 'holders' | 'secretName'>;

/** Sums up the holders. Times of conditions that did not change are kept. */
export function identityStatus(identity: ModuleIdentity, observed: IdentityObservation, now: Date): IdentitySummary {
  const generation = identity.metadata.generation ?? 0;
  const holding = observed.holders.filter(({ verdict, serial }) => verdict === 'Allowed' && serial !== undefined);
  const issued = issuing(observed, holding.length);
  const delivered = delivery(observed, issued);
  const failing = [issued, delivered].find(({ status }) => status !== 'True');
  const ready: Finding = failing
    ? { ...failing, status: 'False' }
    : { status: 'True', reason: 'Ready', message: `${holding.length} pods hold the identity.` };
  const conditions = Object.entries({ Ready: ready, Issued: issued, Delivered: delivered }).reduce<
    readonly Condition[]
  >(
    (all, [type, finding]) => setCondition(all, { type, ...finding, observedGeneration: generation }, now),
    identity.status?.conditions ?? [],
  );
  const renewalTime = earliest(holding.map((holder) => holder.renewalTime));
  const notAfter = earliest(holding.map((holder) => holder.notAfter));
  return {
    observedGeneration: generation,
    conditions,
    ...('spiffeId' in observed.claim && { spiffeId: observed.claim.spiffeId }),
    ...(renewalTime !== undefined && { renewalTime }),
    ...(notAfter !== undefined && { notAfter }),
  };
}

/** Counted against what should run: a stranger that was denied must not make the identity look withheld. */
function issuing({ claim, holders, desired }: IdentityObservation, holding: number): Finding {
  if ('reason' in claim) return { status: 'False', ...claim };
  const denied = holders.find(({ verdict }) => verdict === 'Denied');
  const also = denied ? ` Denied: ${denied.pod}, ${denied.reason ?? 'Denied'}: ${denied.message ?? ''}` : '';
  if (holding > 0 && holding >= desired) {
    return { status: 'True', reason: 'Issued', message: `${holding} pods hold a certificate.${also}` };
  }
  if (holders.length === 0)
    return { status: 'False', reason: 'NoHolder', message: 'No process of the module has been attested yet.' };
  return {
    status: 'False',
    reason: denied?.reason ?? 'Pending',
    message: `${holding} of ${desired} pods hold a certificate.${also}`,
  };
}

/** An agent says Allowed only after the files lie in the volume, so for volumes nothing is left to be found out. */
function delivery({ claim, secret }: IdentityObservation, issued: Finding): Finding {
  if ('reason' in claim) return issued;
  if (secret && secret.status !== 'True') return secret;
  if (issued.status !== 'True') return issued;
  return { status: 'True', reason: 'Delivered', message: 'The identity lies where its module reads it.' };
}

/** RFC 3339 in UTC and whole seconds, as the API server writes it, sorts as text. */
function earliest(times: readonly (string | undefined)[]): string | undefined {
  return times.filter((time) => time !== undefined).sort()[0];
}
