// SPDX-License-Identifier: Apache-2.0
import type { Holding } from '../../identity/holding.ts';
import { edgeModules } from '../../api/resources.ts';
import { pods as podResource, type Events } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { AgentMetrics } from './metrics.ts';
import type { NodePods } from './node-pods.ts';

export interface Audience {
  readonly log: Logger;
  readonly metrics: Pick<AgentMetrics, 'attested'>;
  readonly events: Pick<Events, 'emit'>;
  readonly pods: Pick<NodePods, 'hostModule'>;
}

/** A verdict that is new: counted, logged, and told to the pod's owner as an Event. A module of the host has no pod: there it is one of the EdgeModule. */
export function announce(
  holding: Holding,
  before: Holding | undefined,
  { log, metrics, events, pods }: Audience,
): void {
  const { podUid, verdict, refusal, reported, namespace, pod: name, process, container } = holding;
  const reason = refusal?.reason ?? '';
  metrics.attested(reported ? 'Reported' : verdict, reason);
  const about = {
    namespace,
    pod: name,
    podUid,
    verdict,
    reason,
    reported,
    pid: process?.pid,
    container: container?.id,
  };
  if (verdict === 'Denied') log.warn({ ...about, detail: refusal?.message }, 'denied');
  else log.info(about, 'attested');
  const type = verdict === 'Denied' ? 'Warning' : 'Normal';
  const occurrence = { type, action: 'Attest', ...told(holding, before) } as const;
  const module = pods.hostModule(podUid);
  if (!module) events.emit(podResource, { metadata: { namespace, name, uid: podUid } }, occurrence);
  else events.emit(edgeModules, module, { ...occurrence, note: `On ${name}: ${occurrence.note}` });
}

function told(holding: Holding, before: Holding | undefined): { readonly reason: string; readonly note: string } {
  const { refusal, verdict } = holding;
  if (refusal) return { reason: refusal.reason, note: `${refusal.message}${consequence(holding, before)}` };
  const former = before?.verdict === 'Denied' ? before.refusal : undefined;
  if (verdict === 'Allowed' && former) {
    const held = before?.reported ? 'kept its identity meanwhile' : 'has its identity again';
    return { reason: 'Recovered', note: `What led to ${former.reason} is over: the module process ${held}.` };
  }
  return { reason: 'Attested', note: 'The module process is what its EdgeModule allows.' };
}

function consequence({ verdict, reported, opened }: Holding, before: Holding | undefined): string {
  if (reported) return ' Only reported, as onViolation says: the pod keeps its identity.';
  if (verdict !== 'Denied' || !before || before.issued.size === 0) return '';
  if (opened !== undefined)
    return ' Its identity was withdrawn and revoked; it comes back when the container restarts.';
  return ' Its identity was withdrawn and revoked; it comes back by itself once this is over.';
}
