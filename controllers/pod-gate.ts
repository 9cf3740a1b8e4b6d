// SPDX-License-Identifier: Apache-2.0
import { ATTESTED_GATE } from '../src/api/names.ts';
import type { Pod } from '../src/api/pod.ts';
import { timestamp, type Holding } from '../src/identity/holding.ts';
import type { Clock } from '../src/os/clock.ts';

export interface PodGatePorts {
  readonly clock: Clock;
  pod(uid: string): Pod | undefined;
  holding(podUid: string): Holding | undefined;
  /** Server-side apply of one condition into the pod's status. */
  apply(pod: Pod, condition: Readonly<Record<string, string>>): Promise<void>;
}

/** Reconciles the readiness gate of a pod, key its uid: true while its process is attested and has what it asked for. */
export class PodGate {
  readonly #ports: PodGatePorts;

  constructor(ports: PodGatePorts) {
    this.#ports = ports;
  }

  async reconcile(podUid: string): Promise<void> {
    const pod = this.#ports.pod(podUid);
    if (!pod?.spec.readinessGates?.some(({ conditionType }) => conditionType === ATTESTED_GATE)) return;
    const wanted = gate(this.#ports.holding(podUid));
    const current = pod.status?.conditions?.find(({ type }) => type === ATTESTED_GATE);
    if (current?.status === wanted.status && current.reason === wanted.reason) return;
    const lastTransitionTime = timestamp(this.#ports.clock.now());
    await this.#ports.apply(pod, { type: ATTESTED_GATE, ...wanted, lastTransitionTime });
  }
}

function gate(holding: Holding | undefined): { status: string; reason: string; message: string } {
  if (!holding) return { status: 'False', reason: 'Pending', message: 'The module process has not been attested yet.' };
  const refusal = holding.refusal ?? [...holding.refused.values()][0];
  // Report must not take the pod out of its Services.
  if (holding.reported && refusal)
    return { status: 'True', reason: refusal.reason, message: `Only reported: ${refusal.message}` };
  if (refusal) return { status: 'False', reason: refusal.reason, message: refusal.message };
  return { status: 'True', reason: 'Attested', message: 'The module process is what its EdgeModule allows.' };
}
