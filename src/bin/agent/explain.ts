// SPDX-License-Identifier: Apache-2.0
import type { HealthPage } from '../../health.ts';
import type { Holding } from '../../identity/holding.ts';
import { explanationOf, type Explanation } from '../../identity/explanation.ts';

/** Those who know. */
export interface Explaining {
  readonly agent: { holding(podUid: string): Holding | undefined };
  /** Judges a process of this node now; undefined where there is none. */
  readonly workload: { explain(pid: number): Promise<Explanation | undefined> };
}

/**
 * `/explain/<pod uid>`: the last verdict on a pod with the whole table of rules, for `keystead explain`. There is no
 * list: who asks must know the pod's uid, which is random and told by the API server to those who may read the pod.
 * `/explain-process/<pid>`: the same of any process of the node, judged as if it called. It is measured and nothing else.
 */
export function explainPages(
  node: string,
  { agent, workload }: Explaining,
): Readonly<Record<string, (name: string) => Promise<HealthPage>>> {
  return {
    '/explain/': (podUid) => {
      const found = agent.holding(podUid);
      return Promise.resolve(found ? page(explanationOf(found, node)) : unknown(NO_POD));
    },
    '/explain-process/': async (pid) => {
      const found = /^[1-9]\d{0,9}$/.test(pid) ? await workload.explain(Number(pid)) : undefined;
      return found ? page(found) : unknown(`there is no process ${pid.slice(0, 20)} on node ${node}`);
    },
  };
}

const NO_POD = 'the agent has judged no pod with this uid: it is no module, or not on this node, or not started yet';

function page(found: Explanation): HealthPage {
  return { status: 200, type: 'application/json', body: `${JSON.stringify(found)}\n` };
}

function unknown(message: string): HealthPage {
  return { status: 404, type: 'text/plain', body: `${message}\n` };
}
