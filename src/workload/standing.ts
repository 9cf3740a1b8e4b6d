// SPDX-License-Identifier: Apache-2.0
import { mayPass, type Holding, type Refusal } from '../identity/holding.ts';
import type { ServedIdentity, Standing } from './port.ts';

/**
 * What a pod may have, from the last verdict on it and what delivery has put into the store. The store decides: it is
 * emptied before the verdict is recorded, and filled before that too, one identity after the other, so it is never behind.
 */
export function standingOf(holding: Holding | undefined, served: readonly ServedIdentity[]): Standing {
  const isJudged = holding?.verdict === 'Allowed' || holding?.reported === true;
  if (served.length > 0) return { state: 'Held', served, ...(!isJudged && { partial: true }) };
  if (holding === undefined) return { state: 'Pending' };
  switch (holding.verdict) {
    case 'Denied':
      return refused(holding.refusal ?? { reason: 'Denied', message: 'The module process was refused.' });
    case 'Allowed': {
      const [first] = holding.refused.values();
      return first ? refused(first) : { state: 'Pending' };
    }
    case 'Ended':
      // The container restarts, or the pod is about to go: who calls now is judged with the next container.
      return { state: 'Pending' };
  }
}

function refused(refusal: Refusal): Standing {
  const { reason, message } = refusal;
  return { state: 'Refused', reason, message, passing: mayPass(refusal) };
}
