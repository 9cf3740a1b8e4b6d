// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { HostAttestation } from '../../../controllers/host-attestation.ts';
import { decide } from '../../../src/attest/decide.ts';
import type { ProcessEvidence } from '../../../src/attest/port.ts';
import { standIn } from '../../../src/identity/host-module.ts';
import { policyOf } from '../../../src/identity/module-match.ts';
import { aProcess } from '../../fakes/agent.ts';
import { aHostModule } from '../../fakes/declared.ts';

const module = aHostModule('updater');
const { containerId: _, podUid: __, ...outside } = aProcess();

const inUnit = (pid: number, startTime: string, change: Partial<ProcessEvidence> = {}): ProcessEvidence => ({
  ...outside,
  ...{ pid, startTime, unit: 'updater.service', uid: 990, gid: 990, loaderVariables: [] },
  executable: { path: '/usr/bin/updater', sha256: 'e'.repeat(64) },
  mappings: [{ path: '/usr/bin/updater', origin: 'node' }],
  ...change,
});

const slept: number[] = [];

function attest(...processes: readonly ProcessEvidence[]) {
  return attestMeanwhile(() => processes, ...processes);
}

/** Of `processes`, as they are at each look. */
function attestMeanwhile(now: () => readonly ProcessEvidence[], ...processes: readonly ProcessEvidence[]) {
  slept.length = 0;
  const attestation = new HostAttestation({
    node: 'line-4',
    measure: (pid) => Promise.resolve(now().find((process) => process.pid === pid)),
    sleep: (milliseconds) => {
      slept.push(milliseconds);
      return Promise.resolve();
    },
    processesOf: (unit) => (unit === 'updater.service' ? [...processes.map(({ pid }) => pid), 999] : []),
    integrity: () => undefined,
    moment: () => ({ now: 0, staleMs: 0 }),
    decide,
  });
  return attestation.attest(standIn(module, 'line-4'), policyOf(module));
}

describe('the attestation of a unit', () => {
  it('judges it by its oldest process, where all are allowed', async () => {
    const found = await attest(inUnit(20, '300'), inUnit(30, '200'), inUnit(31, '200'));
    expect(found).toMatchObject({
      state: 'Judged',
      verdict: { allowed: true },
      process: { pid: 30 },
      container: { id: '30-200', name: 'updater.service', uid: 990, image: { config: `sha256:${'e'.repeat(64)}` } },
    });
  });

  it('refuses it for any process that is not allowed, and names that one', async () => {
    const found = await attest(inUnit(20, '100'), inUnit(21, '200', { uid: 0 }));
    expect(found).toMatchObject({
      state: 'Judged',
      verdict: { allowed: false, reason: 'CredentialsMismatch' },
      process: { pid: 21 },
      container: { id: '20-100' },
    });
  });

  it('lets others have their turn while it measures many', async () => {
    const many = Array.from({ length: 20 }, (_, at) => inUnit(100 + at, '100'));
    expect(await attest(...many)).toMatchObject({ verdict: { allowed: true } });
    expect(slept).toEqual([0, 0]);
    await attest(...many.slice(0, 5));
    expect(slept).toEqual([]);
  });

  it('finds nothing where the unit has no process', async () => {
    expect(await attest()).toEqual({ state: 'Absent' });
  });

  it.each(['/usr/lib/systemd/systemd-executor', '/usr/lib/systemd/systemd'])(
    'waits for a process that is about to be executed by %s',
    async (path) => {
      const starting = inUnit(20, '100', { uid: 0, gid: 0, executable: { path, sha256: 'd'.repeat(64) } });
      const started = inUnit(20, '100');
      const found = await attestMeanwhile(() => [slept.length < 2 ? starting : started], started);
      expect(found).toMatchObject({ verdict: { allowed: true }, process: { pid: 20 } });
      expect(slept).toEqual([2, 3]);
    },
  );

  it('refuses one that stays so, and any other at once', async () => {
    const executable = { path: '/usr/lib/systemd/systemd-executor', sha256: 'd'.repeat(64) };
    const refused = { verdict: { allowed: false } };
    expect(await attest(inUnit(20, '100', { uid: 0, executable }))).toMatchObject(refused);
    expect(slept.reduce((sum, each) => sum + each)).toBeLessThan(1_000);
    expect(await attest(inUnit(20, '100', { uid: 0 }))).toMatchObject(refused);
    expect(slept).toEqual([]);
  });
});
