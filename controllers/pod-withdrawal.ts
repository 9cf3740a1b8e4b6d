// SPDX-License-Identifier: Apache-2.0
import type { ModuleIdentity } from '../src/api/v1alpha1/index.ts';
import type { Holding, Refusal, Withdrawal } from '../src/identity/holding.ts';
import type { PodDelivery } from './pod-delivery.ts';

export type Withdrawing = Pick<PodDelivery, 'withdraw' | 'withdrawVolumes' | 'withdrawUnclaimed' | 'revoke'>;

/** Takes from a pod what it may not have any more: out of its places first, then onto the revocation list. */
export class PodWithdrawal {
  readonly #delivery: Withdrawing;

  constructor(delivery: Withdrawing) {
    this.#delivery = delivery;
  }

  /** Everything; without a `withdrawal` there is nothing to revoke. */
  all(podUid: string, identities: readonly ModuleIdentity[], withdrawal: Withdrawal | undefined): void {
    this.#delivery.withdrawVolumes(podUid);
    for (const identity of identities) this.#delivery.withdraw(identity, podUid);
    if (withdrawal) this.#delivery.revoke(podUid, withdrawal);
  }

  /** What it had for identities that its module does not ask for any more. */
  unclaimed(podUid: string, identities: readonly ModuleIdentity[], before: Holding | undefined): void {
    this.#delivery.withdrawUnclaimed(podUid, identities);
    const claimed = new Set(identities.map(({ metadata }) => metadata.name));
    for (const name of before?.issued.keys() ?? []) {
      if (!claimed.has(name)) this.#delivery.revoke(podUid, IDENTITY_REMOVED, name);
    }
  }

  /** A pod that has left. What it left while no agent was there is revoked at the agent's start. */
  gone(podUid: string, before: Holding | undefined): void {
    this.#delivery.withdrawVolumes(podUid);
    if (before && mayHold(before)) this.#delivery.revoke(podUid, POD_GONE);
  }
}

const POD_GONE: Withdrawal = { reason: 'cessationOfOperation', cause: 'PodGone' };
const IDENTITY_REMOVED: Withdrawal = { reason: 'cessationOfOperation', cause: 'IdentityRemoved' };
const ENDED: Withdrawal = { reason: 'cessationOfOperation', cause: 'ProcessEnded' };

/** The withdrawal of a process that has ended; undefined where it held nothing. */
export function endedHolding(before: Holding | undefined): Withdrawal | undefined {
  return mayHold(before) ? ENDED : undefined;
}

/** The withdrawal of a process that was refused. */
export function violationOf({ reason }: Refusal, before: Holding | undefined): Withdrawal | undefined {
  return mayHold(before) ? { reason: 'privilegeWithdrawn', cause: reason } : undefined;
}

/** Whether a pod may have been issued something that lives; of one that is not remembered nobody knows. */
function mayHold(before: Holding | undefined): boolean {
  return before === undefined || before.issued.size > 0;
}
