// SPDX-License-Identifier: Apache-2.0
import type { Holding } from '../../identity/holding.ts';
import { pods, type Events } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { AgentMetrics } from './metrics.ts';

export interface Audience {
  readonly log: Logger;
  readonly metrics: Pick<AgentMetrics, 'attested'>;
  readonly events: Pick<Events, 'emit'>;
}

/** A verdict that is new: counted, logged, and told to the pod's owner as an Event. */
export function announce(holding: Holding, { log, metrics, events }: Audience): void {
  const { podUid, verdict, refusal, namespace, pod: name, process, container } = holding;
  const reason = refusal?.reason ?? '';
  metrics.attested(verdict, reason);
  const about = { namespace, pod: name, podUid, verdict, reason, pid: process?.pid, container: container?.id };
  if (verdict === 'Denied') log.warn({ ...about, detail: refusal?.message }, 'denied');
  else log.info(about, 'attested');
  const object = { metadata: { namespace, name, uid: podUid } };
  const note = refusal?.message ?? 'The module process is what its EdgeModule allows.';
  const type = verdict === 'Denied' ? 'Warning' : 'Normal';
  events.emit(pods, object, { type, reason: reason || 'Attested', action: 'Attest', note });
}
