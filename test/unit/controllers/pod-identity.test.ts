// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { Attestation } from '../../../controllers/pod-attestation.ts';
import type { Verdict } from '../../../src/attest/port.ts';
import { aContainer, aModule, anIdentity, aPod, aProcess } from '../../fakes/agent.ts';
import { allowed, denied, HOUR, identitySetting as setting, NOW } from './pod-identity-setting.ts';

describe('an attested module', () => {
  it('gets its identities, and is looked at again at the re-measure interval', async () => {
    const { state, subject } = setting();
    const next = await subject.reconcile('pod-1');
    expect(state.done).toEqual(['ensure till']);
    expect(next.requeueAfterMs).toBe(30_000);
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Allowed', identities: ['till'], since: NOW });
  });

  it('is looked at when its certificate is due, if that is sooner', async () => {
    const { state, subject } = setting();
    state.modules = [aModule({ remeasureInterval: '10h' })];
    expect((await subject.reconcile('pod-1')).requeueAfterMs).toBe(HOUR / 2);
  });

  it('is looked at again soon, and not at once, where its certificate is overdue and cannot be had', async () => {
    const { state, subject } = setting();
    state.now = NOW + HOUR / 2 + 1;
    expect((await subject.reconcile('pod-1')).requeueAfterMs).toBe(5_000);
  });

  it.each([
    ['30s', 2_500, 27_500],
    ['30s', 27_500, 22_500],
    ['45s', 1_000, 39_000],
    ['15s', 1_000, 15_000],
    ['1s', 999, 1_000],
  ])(
    'is measured with others: every %s, %i ms after a shared moment, next after %i ms',
    async (interval, past, next) => {
      const { state, subject } = setting();
      state.modules = [aModule({ remeasureInterval: interval })];
      state.now = NOW + past;
      expect((await subject.reconcile('pod-1')).requeueAfterMs).toBe(next);
    },
  );

  it('keeps the time of its verdict over further looks', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.now += 60_000;
    await subject.reconcile('pod-1');
    expect(subject.holding('pod-1')?.since).toBe(NOW);
    expect(state.done).toEqual(['ensure till', 'ensure till']);
  });

  it('is asked about again when its process exits', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.exits[0]!();
    expect(state.done).toContain('enqueue pod-1');
  });

  it('tells why an identity was refused, and asks for it again soon', async () => {
    const { state, subject } = setting();
    state.ensured = { reason: 'PinRejected', message: 'set another PIN' };
    const next = await subject.reconcile('pod-1');
    expect(subject.holding('pod-1')?.refused.get('till')).toEqual(state.ensured);
    expect(next.requeueAfterMs).toBe(5_000);
  });
});

describe('taking back', () => {
  it('happens when a later look refuses', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    const withdrawn = ['withdraw volumes', 'withdraw till'];
    expect(state.done.slice(1)).toEqual([...withdrawn, 'revoke all ImageDigestMismatch']);
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Denied', refusal: { reason: 'ImageDigestMismatch' } });
    // A later look makes sure of it once more, and finds nothing to revoke.
    await subject.reconcile('pod-1');
    expect(state.done.slice(4)).toEqual(withdrawn);
  });

  it('revokes what a process held that ended, once', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Absent' };
    await subject.reconcile('pod-1');
    await subject.reconcile('pod-1');
    expect(state.done.filter((done) => done.startsWith('revoke'))).toEqual(['revoke all ProcessEnded']);
  });

  it('happens to a pod whose process ended while no agent was there', async () => {
    const { state, subject } = setting();
    const holder = { podUid: 'pod-1', pod: 'p', node: 'n', verdict: 'Allowed', since: '', serial: 'ff' } as const;
    state.identities = [{ ...anIdentity(), status: { holders: [holder] } }];
    state.attestation = { state: 'Absent' };
    await subject.reconcile('pod-1');
    expect(state.done).toEqual(['withdraw volumes', 'withdraw till', 'revoke all ProcessEnded']);
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Ended' });
  });

  it('does not happen to a pod that has not started yet', async () => {
    const { state, subject } = setting();
    state.attestation = { state: 'Absent' };
    await subject.reconcile('pod-1');
    expect(state.done).toEqual([]);
  });

  it('revokes an identity that its module does not have any more', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.identities = [];
    await subject.reconcile('pod-1');
    expect(state.done.slice(1)).toEqual(['revoke till IdentityRemoved']);
  });

  it('happens when the process has ended', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Absent' };
    expect(await subject.reconcile('pod-1')).toEqual({});
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Ended', refusal: { reason: 'ProcessEnded' } });
    expect(state.done).toContain('withdraw volumes');
  });

  it('happens before another container of the pod gets its own', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    const container = aContainer({ id: 'd'.repeat(64) });
    state.attestation = { state: 'Judged', container, process: aProcess(), verdict: allowed(aModule()) };
    await subject.reconcile('pod-1');
    const withdrawn = ['withdraw volumes', 'withdraw till', 'revoke all ProcessEnded'];
    expect(state.done.slice(1)).toEqual([...withdrawn, 'ensure till']);
  });

  it('leaves nothing of it to be taken for held once the module is allowed again', async () => {
    const { state, subject } = setting();
    const allowedOne = state.attestation;
    await subject.reconcile('pod-1');
    await subject.reconcile('pod-1');
    expect(state.remembered).toEqual([[], ['till']]);
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    state.attestation = allowedOne;
    await subject.reconcile('pod-1');
    await subject.reconcile('pod-1');
    expect(state.remembered.slice(2)).toEqual([undefined, ['till']]);
    state.attestation = { ...allowedOne, container: aContainer({ id: 'd'.repeat(64) }) } as Attestation;
    await subject.reconcile('pod-1');
    expect(state.remembered.at(-1)).toBeUndefined();
  });

  it('does not happen to a container whose start is held while another look comes by', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Pending', container: aContainer() };
    await subject.reconcile('pod-1');
    expect(state.done).toEqual(['ensure till']);
  });

  it('does not happen after an event about another container', async () => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Unrelated' };
    await subject.reconcile('pod-1');
    expect(subject.holding('pod-1')?.verdict).toBe('Allowed');
  });

  it('is only reported under onViolation Report', async () => {
    const { state, subject } = setting();
    state.modules = [aModule({ onViolation: 'Report' })];
    await subject.reconcile('pod-1');
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    // It is renewed as before, and nothing is revoked.
    expect(state.done).toEqual(['ensure till', 'ensure till']);
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Denied', reported: true });
    expect(subject.holding('pod-1')?.issued.size).toBe(1);
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: allowed(aModule()) };
    await subject.reconcile('pod-1');
    expect(state.done.slice(2)).toEqual(['ensure till']);
    expect(subject.holding('pod-1')).not.toHaveProperty('reported');
  });

  it('is only reported under onViolation Report by an agent that was restarted, too', async () => {
    const { state, subject } = setting();
    const holder = { podUid: 'pod-1', pod: 'p', node: 'n', verdict: 'Allowed', since: '', serial: 'ff' } as const;
    state.modules = [aModule({ onViolation: 'Report' })];
    state.identities = [{ ...anIdentity(), status: { holders: [{ ...holder, containerId: aContainer().id }] } }];
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    expect(state.done).toEqual(['ensure till']);
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Denied', reported: true });
  });

  it('never gives a first identity to what is refused, even under Report', async () => {
    const { state, subject } = setting();
    state.modules = [aModule({ onViolation: 'Report' })];
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    expect(state.done).not.toContain('ensure till');
    expect(state.done).toContain('withdraw volumes');
  });

  it('evicts under onViolation Evict', async () => {
    const { state, subject } = setting();
    state.modules = [aModule({ onViolation: 'Evict' })];
    state.attestation = { state: 'Judged', container: aContainer(), process: aProcess(), verdict: denied };
    await subject.reconcile('pod-1');
    expect(state.done).toContain('evict pod-1 ImageDigestMismatch');
  });
});

describe('a pod that is gone', () => {
  it('is not what one is that an agent without API server does not know, which keeps its files', async () => {
    const { state, subject } = setting();
    state.pod = undefined;
    state.knowsAllPods = false;
    expect(await subject.reconcile('pod-1')).toEqual({ requeueAfterMs: 5_000 });
    expect(state.done).toEqual([]);
    state.knowsAllPods = true;
    await subject.reconcile('pod-1');
    expect(state.done).toEqual(['withdraw volumes']);
  });

  it.each([
    ['deleted', undefined],
    ['completed', aPod({ phase: 'Succeeded' })],
  ])('is forgotten when %s, with its volumes emptied', async (_how, pod) => {
    const { state, subject } = setting();
    await subject.reconcile('pod-1');
    state.pod = pod;
    await subject.reconcile('pod-1');
    expect(subject.holding('pod-1')).toBeUndefined();
    expect(state.reports.at(-1)).toBeUndefined();
    expect(state.done).toEqual(['ensure till', 'unwatch', 'withdraw volumes', 'revoke all PodGone']);
  });
});

describe('looks at one pod', () => {
  it('never overlap', async () => {
    const { state, subject } = setting();
    const looks = Array.from({ length: 5 }, () => subject.reconcile('pod-1'));
    await Promise.all(looks);
    expect(state.done).toEqual(Array.from({ length: 5 }, () => 'ensure till'));
  });
});

describe('a container that somebody has opened', () => {
  const refusal: Verdict = { allowed: false, reason: 'LineageMismatch', message: 'a shell', table: [] };

  it('is told of as opened at each further look, until another container takes its place', async () => {
    const { state, subject } = setting();
    const container = aContainer();
    const judged = { state: 'Judged', container, process: aProcess(), verdict: refusal, opened: 'a shell' } as const;
    state.attestation = judged;
    await subject.reconcile('pod-1');
    expect(subject.holding('pod-1')).toMatchObject({ verdict: 'Denied', opened: 'a shell' });
    expect(state.openedBefore).toEqual([undefined, undefined]);
    await subject.reconcile('pod-1');
    expect(state.openedBefore).toEqual(['a shell', undefined]);
  });

  it('is known from the status after a restart of the agent', async () => {
    const { state, subject } = setting();
    const { id: containerId } = aContainer();
    const holder = {
      podUid: 'pod-1',
      pod: 'pod-1',
      node: 'node-1',
      verdict: 'Denied',
      since: '',
      containerId,
      opened: 'a shell',
    } as const;
    state.identities = [{ ...anIdentity(), status: { holders: [holder] } }];
    await subject.reconcile('pod-1');
    expect(state.openedBefore).toEqual(['a shell', undefined]);
  });
});
