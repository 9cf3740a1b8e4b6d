// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { EdgeModule } from '../../../src/api/v1alpha1/index.ts';
import { waitsFor } from '../../../src/module/startup-order.ts';
import { aModule, aSelector } from '../../fakes/declared.ts';

const ready = (module: EdgeModule, observedGeneration = 1, status: 'True' | 'False' = 'True'): EdgeModule => ({
  ...module,
  status: {
    observedGeneration,
    conditions: [{ type: 'Ready', status, reason: 'Ready', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  },
});
const base = aModule('base', { startupOrder: 1 });
const top = aModule('top', { startupOrder: 2 });

describe('a module', () => {
  it.each([
    ['is not ready', base],
    ['was ready in a former generation', { ...ready(base), metadata: { ...base.metadata, generation: 2 } }],
    ['is not ready any more', ready(base, 1, 'False')],
  ])('waits for one of lower order that %s', (_, lower) => {
    expect(waitsFor(top, [top, lower])).toEqual({
      reason: 'WaitingForLowerOrder',
      message: 'Starts (order 2) once these are ready: base (order 1).',
    });
  });

  it.each([
    ['is ready', ready(base)],
    ['is stopped', aModule('base', { startupOrder: 1, desiredState: 'Stopped' })],
    ['is being deleted', aModule('base', { startupOrder: 1 }, { deletionTimestamp: '2026-01-01T00:00:00Z' })],
    ['is of another namespace', aModule('base', { startupOrder: 1 }, { namespace: 'other' })],
    ['has the same order', aModule('base', { startupOrder: 2 })],
    ['is deployed by somebody else', aSelector('base', { app: 'x' })],
  ])('does not wait for one that %s', (_, lower) => {
    expect(waitsFor(top, [lower])).toBeUndefined();
  });
});
