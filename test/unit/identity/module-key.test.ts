// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import type { ModuleIdentity } from '../../../src/api/v1alpha1/index.ts';
import { moduleKeyAt } from '../../../src/identity/module-key.ts';
import { anIdentity } from '../../fakes/agent.ts';

const CREATED = Date.parse('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

function withKey(key: ModuleIdentity['spec']['key'], uid = '00000000-0000-4000-8000-000000000000'): ModuleIdentity {
  const identity = anIdentity({ key });
  return { ...identity, metadata: { ...identity.metadata, uid, creationTimestamp: '2026-01-01T00:00:00Z' } };
}

describe('the key in the token that an identity has', () => {
  it('is none for residency Memory', () => {
    expect(moduleKeyAt(withKey({ residency: 'Memory' }), CREATED)).toBeUndefined();
  });

  it('is the first for ever without rotation', () => {
    const { name, until } = moduleKeyAt(withKey({ residency: 'Hardware' }), CREATED + 1e6 * HOUR)!;
    expect(name).toEqual({ identityUid: '00000000-0000-4000-8000-000000000000', generation: 1 });
    expect(until).toBe(Infinity);
  });

  it('is the next after each interval, counted from the creation of the object', () => {
    const identity = withKey({ residency: 'Hardware', rotation: '10h' });
    const at = (hours: number) => moduleKeyAt(identity, CREATED + hours * HOUR)!;
    expect([0, 9.9, 10, 19.9, 20].map((hours) => at(hours).name.generation)).toEqual([1, 1, 2, 2, 3]);
    expect(at(4).until).toBe(CREATED + 10 * HOUR);
    expect(at(10).until).toBe(CREATED + 20 * HOUR);
  });

  it('is brought forward by up to a tenth, differently for each identity', () => {
    const identity = withKey({ residency: 'Hardware', rotation: '10h' }, '00000000-0000-4000-8000-0000ffffffff');
    const { until } = moduleKeyAt(identity, CREATED)!;
    expect(until).toBeGreaterThan(CREATED + 8.9 * HOUR);
    expect(until).toBeLessThan(CREATED + 9.1 * HOUR);
    expect(moduleKeyAt(identity, until)!.name.generation).toBe(2);
  });

  it('stays the first while the clock is set before the creation', () => {
    const identity = withKey({ residency: 'Hardware', rotation: '1h' });
    expect(moduleKeyAt(identity, 0)!.name.generation).toBe(1);
  });
});
