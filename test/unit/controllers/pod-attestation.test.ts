// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { PodAttestation, type PodAttestationPorts } from '../../../controllers/pod-attestation.ts';
import type { ContainerEvidence, Evidence, ProcessEvidence, Verdict } from '../../../src/attest/port.ts';
import { KeysteadError } from '../../../src/errors.ts';
import type { ContainerEvent } from '../../../src/runtime/port.ts';
import { policyOf } from '../../../src/identity/module-match.ts';
import { aContainer, aModule, aPod, aProcess, CONTAINER_ID, OWNERS } from '../../fakes/agent.ts';

const policy = policyOf(aModule());
const subject = { pod: aPod(), policies: [policy], secretNames: new Set<string>(), opened: () => undefined };

/** A runtime and /proc with one container, and the evidence that was put before `decide`. */
function setting(change: Partial<PodAttestationPorts> = {}) {
  const containers = new Map<string, ContainerEvidence>([[CONTAINER_ID, aContainer()]]);
  const processes = new Map<number, ProcessEvidence>([[4242, aProcess()]]);
  const judged: Evidence[] = [];
  const slept: number[] = [];
  const ports: PodAttestationPorts = {
    node: 'node-1',
    runtime: {
      container: (id) => Promise.resolve(containers.get(id)),
      containersOf: () => Promise.resolve([...containers.keys()]),
    },
    measure: (pid) => Promise.resolve(processes.get(pid)),
    processesOf: () => [...processes.keys()],
    lookAfresh: () => undefined,
    integrity: () => undefined,
    decide: (evidence): Verdict => {
      judged.push(evidence);
      return evidence.process?.executable.path === '/tmp/dropped' ||
        evidence.process?.executable.path === '/usr/bin/runc'
        ? { allowed: false, reason: 'CodeNotFromImage', message: 'dropped', table: [] }
        : { allowed: true, module: policy, table: [] };
    },
    opened: (_evidence, pid) => (pid === undefined ? undefined : `process ${pid} was there`),
    owners: () => Promise.resolve(OWNERS),
    moment: () => ({ now: 0, staleMs: 0 }),
    signature: () => Promise.resolve({ verified: true, message: 'signed' }),
    sleep: (ms) => {
      slept.push(ms);
      return Promise.resolve();
    },
    ...change,
  };
  return { containers, processes, judged, slept, subject: new PodAttestation(ports) };
}

describe('attesting a pod', () => {
  it('judges the first process of the module container', async () => {
    const { subject: attestation, judged } = setting();
    const found = await attestation.attest(subject);
    expect(found).toMatchObject({ state: 'Judged', verdict: { allowed: true }, process: { pid: 4242 } });
    expect(judged[0]).toMatchObject({ phase: 'Running', node: 'node-1', container: { id: CONTAINER_ID } });
  });

  it('asks for the containers of the pod only where the one that was held runs no more', async () => {
    let asked = 0;
    const { containers } = setting();
    const listing = setting({
      runtime: {
        container: (id) => Promise.resolve(containers.get(id)),
        containersOf: () => {
          asked++;
          return Promise.resolve([...containers.keys()]);
        },
      },
    }).subject;
    expect(await listing.attest({ ...subject, held: CONTAINER_ID })).toMatchObject({ state: 'Judged' });
    expect(asked).toBe(0);
    const next = 'd'.repeat(64);
    containers.delete(CONTAINER_ID);
    containers.set(next, aContainer({ id: next }));
    const found = await listing.attest({ ...subject, held: CONTAINER_ID });
    expect(found).toMatchObject({ state: 'Judged', container: { id: next } });
    expect(asked).toBe(1);
    const { pid: _ended, ...exited } = aContainer();
    containers.set(CONTAINER_ID, exited);
    await listing.attest({ ...subject, held: CONTAINER_ID });
    expect(asked).toBe(2);
  });

  it('refuses the module for another process in its container', async () => {
    const { subject: attestation, processes } = setting();
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    const found = await attestation.attest(subject);
    expect(found).toMatchObject({ state: 'Judged', verdict: { allowed: false }, process: { pid: 4300 } });
  });

  it('remembers who was put into the container, though he has left before he was looked at', async () => {
    const { subject: attestation, judged } = setting();
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4300 } as ContainerEvent;
    const found = await attestation.attest(subject, entered);
    expect(found).toMatchObject({ state: 'Judged', opened: 'process 4300 was there', process: { pid: 4242 } });
    expect(judged.at(-1)).toMatchObject({ opened: 'process 4300 was there', process: { pid: 4242 } });
  });

  it('judges by what is known to have been executed in the container before', async () => {
    const { subject: attestation, judged } = setting();
    const opened = (containerId: string) => `a shell in ${containerId.slice(0, 2)}`;
    expect(await attestation.attest({ ...subject, opened })).not.toHaveProperty('opened');
    expect(judged[0]).toMatchObject({ opened: 'a shell in cc' });
  });

  it('asks for the signatures of the image where the module names signers, also while the start is held', async () => {
    const { subject: attestation, judged } = setting();
    const signers = { keys: [{ name: 'release', publicKey: 'PEM' }], identities: [] };
    const policies = subject.policies.map((policy) => ({ ...policy, signers }));
    await attestation.attest({ ...subject, policies });
    await attestation.attest(subject);
    expect(judged.map(({ signature }) => signature)).toEqual([{ verified: true, message: 'signed' }, undefined]);
  });

  it('asks for the owners of a template module alone', async () => {
    const asked: string[] = [];
    const { subject: attestation, judged } = setting({
      owners: (pod) => {
        asked.push(pod.metadata.name);
        return Promise.resolve(OWNERS);
      },
    });
    await attestation.attest(subject);
    expect(asked).toEqual(['pod-1']);
    expect(judged[0]?.pod?.owners).toEqual(OWNERS);
    await attestation.attest({ ...subject, policies: [{ ...policy, pod: { ...policy.pod, owned: false } }] });
    expect(asked).toEqual(['pod-1']);
  });

  it('judges at once who is put into the container, though the list of processes is older', async () => {
    const { subject: attestation, processes } = setting({ processesOf: () => [4242] });
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4300 } as const;
    const found = await attestation.attest(subject, entered);
    expect(found).toMatchObject({ state: 'Judged', verdict: { allowed: false }, process: { pid: 4300 } });
    processes.delete(4300);
    expect(await attestation.attest(subject, entered)).toMatchObject({ verdict: { allowed: true } });
  });

  it('still finds who was refused when he is looked for in a list', async () => {
    let list = [4242];
    const { subject: attestation, processes } = setting({
      processesOf: () => list,
      lookAfresh: () => (list = [...processes.keys()]),
    });
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: true } });
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4300 } as const;
    expect(await attestation.attest(subject, entered)).toMatchObject({ verdict: { allowed: false } });
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: false }, process: { pid: 4300 } });
  });

  it('finds who came in while he could not be looked at', async () => {
    let list = [4242];
    let away = true;
    const { subject: attestation, processes } = setting({
      processesOf: () => list,
      lookAfresh: () => (list = [...processes.keys()]),
      measure: (pid) => {
        if (pid === 4300 && away) return Promise.reject(new KeysteadError('Internal', 'no descriptor is left'));
        return Promise.resolve(processes.get(pid));
      },
    });
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4300 } as const;
    await expect(attestation.attest(subject, entered)).rejects.toMatchObject({ code: 'Internal' });
    away = false;
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: false }, process: { pid: 4300 } });
  });

  it('has no new list made for one who comes in and may, nor when he has left', async () => {
    let made = 0;
    const { subject: attestation, processes } = setting({ processesOf: () => [4242], lookAfresh: () => (made += 1) });
    processes.set(4300, aProcess({ pid: 4300 }));
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4300 } as const;
    expect(await attestation.attest(subject, entered)).toMatchObject({ verdict: { allowed: true } });
    processes.delete(4300);
    expect(await attestation.attest(subject, entered)).toMatchObject({ verdict: { allowed: true } });
    expect(made).toBe(0);
  });

  it('judges who else is there where one cannot be measured', async () => {
    const { subject: attestation, processes } = setting({
      measure: (pid) => {
        if (pid === 4250) return Promise.reject(new KeysteadError('Internal', 'statx failed'));
        return Promise.resolve(processes.get(pid));
      },
    });
    processes.set(4250, aProcess({ pid: 4250 }));
    await expect(attestation.attest(subject)).rejects.toMatchObject({ code: 'Internal' });
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: false }, process: { pid: 4300 } });
  });

  it('judges who else is there where one who came in, and may, has left', async () => {
    const { subject: attestation, processes } = setting({ opened: () => undefined });
    const entered = { phase: 'Entered', containerId: CONTAINER_ID, pid: 4400 } as const;
    processes.set(4300, aProcess({ pid: 4300 }));
    expect(await attestation.attest(subject, entered)).toMatchObject({ verdict: { allowed: true } });
    processes.set(4300, aProcess({ pid: 4300, executable: { path: '/tmp/dropped', sha256: 'f'.repeat(64) } }));
    expect(await attestation.attest(subject, entered)).toMatchObject({
      verdict: { allowed: false },
      process: { pid: 4300 },
    });
  });

  it('lets others have their turn while it measures many', async () => {
    const waits: number[] = [];
    const pids = [4242, ...Array.from({ length: 20 }, (_, at) => 5000 + at)];
    const { subject: attestation, processes } = setting({
      processesOf: () => pids,
      sleep: (milliseconds) => {
        waits.push(milliseconds);
        return Promise.resolve();
      },
    });
    for (const pid of pids) processes.set(pid, aProcess({ pid }));
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: true } });
    expect(waits).toEqual([0, 0]);
    pids.splice(5);
    await attestation.attest(subject);
    expect(waits).toEqual([0, 0]);
  });

  it('passes over a process that ends while it is measured', async () => {
    const { subject: attestation } = setting({ processesOf: () => [4242, 9999] });
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: true } });
  });

  it('judges image and pod alone while the start is held', async () => {
    const { subject: attestation, judged, containers } = setting();
    const { pid: _pid, ...created } = aContainer();
    containers.set(CONTAINER_ID, created);
    const found = await attestation.attest(subject, { phase: 'Starting', containerId: CONTAINER_ID, podUid: 'pod-1' });
    expect(found).toMatchObject({ state: 'Judged', verdict: { allowed: true } });
    expect(judged[0]?.phase).toBe('Starting');
    expect(judged[0]?.process).toBeUndefined();
  });

  it('grants nothing to a container that was created and whose start was not announced', async () => {
    const { subject: attestation, judged, containers } = setting();
    const { pid: _pid, ...created } = aContainer();
    containers.set(CONTAINER_ID, created);
    expect(await attestation.attest(subject)).toMatchObject({ state: 'Pending' });
    expect(judged).toEqual([]);
  });

  it('does not take the start of a sidecar for that of the module', async () => {
    const { subject: attestation, containers } = setting();
    containers.set('sidecar', aContainer({ id: 'sidecar', name: 'proxy' }));
    const found = await attestation.attest(subject, { phase: 'Starting', containerId: 'sidecar', podUid: 'pod-1' });
    expect(found).toEqual({ state: 'Unrelated' });
  });

  it('waits for the exec of the runtime helper before it refuses', async () => {
    const {
      subject: attestation,
      processes,
      slept,
    } = setting({
      sleep: (ms) => {
        slept.push(ms);
        if (slept.length === 2) processes.set(4242, aProcess());
        return Promise.resolve();
      },
    });
    processes.set(4242, aProcess({ executable: { path: '/usr/bin/runc', sha256: '0'.repeat(64) } }));
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: true } });
    expect(slept).toHaveLength(2);
  });

  it('refuses a module that goes on calling itself runc', async () => {
    const { subject: attestation, processes, slept } = setting();
    processes.set(4242, aProcess({ executable: { path: '/usr/bin/runc', sha256: '0'.repeat(64) } }));
    expect(await attestation.attest(subject)).toMatchObject({ verdict: { allowed: false } });
    expect(slept).toHaveLength(9);
  });

  it('judges the first container of a pod that lacks the one which the module names', async () => {
    const { subject: attestation, judged } = setting();
    await attestation.attest({ ...subject, policies: [{ ...policy, container: 'elsewhere' }] });
    expect(judged[0]?.container?.name).toBe('main');
  });

  it('finds no module where the runtime has no such container', async () => {
    const { subject: attestation, containers } = setting();
    containers.clear();
    expect(await attestation.attest(subject)).toEqual({ state: 'Absent' });
  });
});
