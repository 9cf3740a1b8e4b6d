// SPDX-License-Identifier: Apache-2.0
import type { HealthPage } from '../../health.ts';
import type { Holding } from '../../identity/holding.ts';
import { explanationOf } from '../../identity/explanation.ts';

/**
 * `/explain/<pod uid>`: the last verdict on a pod with the whole table of rules, for `keystead explain`. There is no
 * list: who asks must know the pod's uid, which is random and told by the API server to those who may read the pod.
 */
export function explainPages(
  node: string,
  holding: (podUid: string) => Holding | undefined,
): Readonly<Record<string, (podUid: string) => Promise<HealthPage>>> {
  const page = (podUid: string): HealthPage => {
    const found = holding(podUid);
    if (found)
      return { status: 200, type: 'application/json', body: `${JSON.stringify(explanationOf(found, node))}\n` };
    const message =
      'the agent has judged no pod with this uid: it is no module, or not on this node, or not started yet';
    return { status: 404, type: 'text/plain', body: `${message}\n` };
  };
  return { '/explain/': (podUid) => Promise.resolve(page(podUid)) };
}
