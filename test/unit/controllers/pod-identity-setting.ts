// SPDX-License-Identifier: Apache-2.0
import type { Attestation } from '../../../controllers/pod-attestation.ts';
import { PodIdentity, type PodIdentityPorts } from '../../../controllers/pod-identity.ts';
import type { Pod } from '../../../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import type { Holding, Issued, Refusal } from '../../../src/identity/holding.ts';
import { policyOf } from '../../../src/identity/module-match.ts';
import { aContainer, aModule, anIdentity, aPod, aProcess } from '../../fakes/agent.ts';

export const HOUR = 3_600_000;
export const NOW = Date.parse('2026-11-22T10:00:00Z');

export const allowed = (module: EdgeModule): Verdict => ({ allowed: true, module: policyOf(module), table: [] });
export const denied: Verdict = {
  allowed: false,
  reason: 'ImageDigestMismatch',
  message: 'expected a, found b',
  table: [],
};

/** A pod on a node whose every part can be set, and a record of what was done to it. */
export function identitySetting() {
  const issued: Issued = {
    serial: '01',
    notBefore: NOW,
    notAfter: NOW + HOUR,
    renewalTime: NOW + HOUR / 2,
    revision: 1,
  };
  const state = {
    now: NOW,
    pod: aPod() as Pod | undefined,
    knowsAllPods: true,
    modules: [aModule()],
    identities: [anIdentity()] as ModuleIdentity[],
    attestation: {
      state: 'Judged',
      container: aContainer(),
      process: aProcess(),
      verdict: allowed(aModule()),
    } as Attestation,
    ensured: issued as Issued | Refusal,
    openedBefore: [] as (string | undefined)[],
    done: [] as string[],
    /** Of which identities delivery was told that something was issued before; undefined: all of it was taken back. */
    remembered: [] as (string[] | undefined)[],
    reports: [] as (Holding | undefined)[],
    exits: [] as (() => void)[],
  };
  const ports: PodIdentityPorts = {
    clock: { now: () => state.now },
    attestation: {
      attest: (asked) => {
        state.openedBefore = [aContainer().id, 'd'.repeat(64)].map((id) => asked.opened(id));
        return Promise.resolve(state.attestation);
      },
    },
    delivery: {
      ensure: (identity, holder) => {
        state.done.push(`ensure ${identity.metadata.name}`);
        state.remembered.push(holder.issued && [...holder.issued.keys()]);
        return Promise.resolve(state.ensured);
      },
      withdraw: (identity) => void state.done.push(`withdraw ${identity.metadata.name}`),
      withdrawVolumes: () => void state.done.push('withdraw volumes'),
      withdrawUnclaimed: () => undefined,
      revoke: (_podUid, { cause }, identity = 'all') => void state.done.push(`revoke ${identity} ${cause}`),
    },
    pod: () => state.pod,
    knowsAllPods: () => state.knowsAllPods,
    modules: () => state.modules,
    identities: () => state.identities,
    hasVolume: () => true,
    watchExit: (_process, ended) => {
      state.exits.push(ended);
      return { close: () => state.done.push('unwatch') };
    },
    enqueue: (uid) => state.done.push(`enqueue ${uid}`),
    report: (_uid, now) => state.reports.push(now),
    evict: (pod, { reason }) => state.done.push(`evict ${pod.metadata.name} ${reason}`),
  };
  return { state, subject: new PodIdentity(ports) };
}
