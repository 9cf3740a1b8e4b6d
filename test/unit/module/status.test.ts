// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeModule, ModuleIdentityStatusHolder } from '../../../src/api/v1alpha1/index.ts';
import { moduleStatus, type ModuleObservation } from '../../../src/module/status.ts';
import { aModule, aPod } from '../../fakes/declared.ts';

const NOW = new Date('2026-06-01T00:00:00Z');
const DEPLOYED = { status: 'True', reason: 'Deployed', message: 'as declared' } as const;
const gated = (name: string, attested: 'True' | 'False') =>
  aPod(name, { 'keystead.dev/module': 'web' }, { 'keystead.dev/attested': attested });
const holder = (pod: string, more: Partial<ModuleIdentityStatusHolder> = {}): ModuleIdentityStatusHolder => ({
  podUid: `uid-${pod}`,
  pod,
  node: 'edge-1',
  verdict: 'Allowed',
  since: '2026-01-01T00:00:00Z',
  ...more,
});
const DENIED = { verdict: 'Denied', reason: 'ImageDigestMismatch', message: 'expected a, found b' } as const;

function observe(more: Partial<ModuleObservation>, module: EdgeModule = aModule('web')) {
  const observed = { deployed: DEPLOYED, desired: 1, ready: 1, current: true, pods: [], holders: [], ...more };
  const status = moduleStatus(module, observed, NOW);
  const brief = Object.fromEntries(
    status.conditions!.map(({ type, status: holds, reason }) => [type, `${holds} ${reason}`]),
  );
  return { status, brief };
}

describe('the status of a module', () => {
  it('is ready when all pods are ready and attested', () => {
    const { status, brief } = observe({ pods: [gated('a', 'True')], holders: [holder('a')] });
    expect(brief).toEqual({ Ready: 'True Ready', Deployed: 'True Deployed', Attested: 'True Attested' });
    expect(status).toMatchObject({ observedGeneration: 1, desired: 1, ready: 1, attested: 1, denials: [] });
  });

  it('waits for attestation', () => {
    expect(observe({ pods: [gated('a', 'False')] }).brief).toMatchObject({
      Ready: 'False Pending',
      Attested: 'False Pending',
    });
  });

  it('names the reason of a denial and lists it once, whatever the number of identities', () => {
    const { status, brief } = observe({
      pods: [gated('a', 'False')],
      holders: [holder('a', DENIED), holder('a', DENIED)],
    });
    expect(brief).toMatchObject({ Ready: 'False ImageDigestMismatch', Attested: 'False ImageDigestMismatch' });
    expect(status.denials).toEqual([
      {
        podUid: 'uid-a',
        pod: 'a',
        node: 'edge-1',
        reason: 'ImageDigestMismatch',
        message: 'expected a, found b',
        since: '2026-01-01T00:00:00Z',
      },
    ]);
  });

  it('stays ready beside an impostor that was denied, and lists it', () => {
    const pods = [gated('a', 'True'), aPod('impostor', { 'keystead.dev/module': 'web' })];
    const { status, brief } = observe({ pods, holders: [holder('a'), holder('impostor', DENIED)] });
    expect(brief).toMatchObject({ Ready: 'True Ready', Attested: 'True Attested' });
    expect(status.denials?.map(({ pod }) => pod)).toEqual(['impostor']);
    expect(status.attested).toBe(1);
  });

  it('counts pods without a gate by what they hold', () => {
    const pods = [aPod('a', {}), aPod('b', {})];
    expect(observe({ pods, desired: 2, holders: [holder('a')] }).status.attested).toBe(1);
  });

  it('forgets denials of pods that are gone', () => {
    expect(observe({ pods: [gated('a', 'True')], holders: [holder('gone', DENIED)] }).status.denials).toEqual([]);
  });

  it.each([
    [{ current: false }, 'False RollingOut'],
    [{ ready: 0 }, 'False PodsNotReady'],
    [{ deployed: { status: 'False', reason: 'NameTaken', message: '' } as const }, 'False NameTaken'],
    [{ ambiguous: 'claimed by two' }, 'False ModuleAmbiguous'],
  ])('is not ready with %j', (more, expected) => {
    expect(observe({ pods: [gated('a', 'True')], ...more }).brief['Ready']).toBe(expected);
  });

  it('is neither ready nor attested while stopped', () => {
    const { brief } = observe({ desired: 0, ready: 0 }, aModule('web', { desiredState: 'Stopped' }));
    expect(brief).toMatchObject({ Ready: 'False Stopped', Attested: 'False Stopped' });
  });

  it('is ready with no pod where none shall run', () => {
    expect(observe({ desired: 0, ready: 0 }).brief).toMatchObject({ Ready: 'True Ready', Attested: 'True NoPods' });
  });

  it('keeps the time of a condition that did not change', () => {
    const before = observe({ pods: [gated('a', 'True')] }).status;
    const later = moduleStatus(
      { ...aModule('web'), status: before },
      { deployed: DEPLOYED, desired: 1, ready: 1, current: true, pods: [gated('a', 'True')], holders: [] },
      new Date('2026-07-01T00:00:00Z'),
    );
    expect(later).toEqual(before);
  });
});
