// SPDX-License-Identifier: Apache-2.0
import { HostAttestation } from '../../../controllers/host-attestation.ts';
import { PodAttestation } from '../../../controllers/pod-attestation.ts';
import { decide } from '../../attest/decide.ts';
import { openedBy, openedUnseen } from '../../attest/lineage-rule.ts';
import type { NodeIntegrity } from '../../attest/port.ts';
import { momentOf } from './caches.ts';
import type { AgentParts } from './agent.ts';

/** Attestation of whatever may hold an identity on this node: pods, and modules of the host. */
export function attesting(
  { node, caches, runtime, processes, owners, signatures }: AgentParts,
  integrity: () => NodeIntegrity | undefined,
): Pick<PodAttestation, 'attest'> {
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const common = { node, integrity, decide, sleep, moment: () => momentOf(caches) };
  const pods = new PodAttestation({
    ...common,
    runtime,
    measure: (pid, init) => processes.measure(pid, init),
    processesOf: (containerId) => processes.of(containerId),
    lookAfresh: () => processes.lookAfresh(),
    opened: (evidence, pid) => (pid === undefined ? openedBy(evidence) : openedUnseen(evidence, pid)),
    owners: (pod) => owners.chain(pod),
    signature: (image, signers) => signatures.of(image, signers),
  });
  const host = new HostAttestation({
    ...common,
    measure: (pid) => processes.measure(pid, pid),
    processesOf: (unit) => processes.of(unit),
  });
  return {
    attest(subject, event) {
      const [policy] = subject.policies;
      return policy?.host ? host.attest(subject.pod, policy) : pods.attest(subject, event);
    },
  };
}
