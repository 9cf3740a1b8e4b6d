// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { openedBy, openedUnseen } from '../../../src/attest/lineage-rule.ts';
import { decide } from '../../../src/attest/decide.ts';
import { entered, evidence } from './evidence.ts';

const unprobed = { ...evidence(), pod: { ...evidence().pod!, probes: {} } };

describe('a container is opened', () => {
  it('by what is executed in it from outside', () => {
    expect(openedBy(entered(['/bin/sh']))).toBe('that ["/bin/sh"] was executed in the container from outside');
    expect(openedUnseen(unprobed, 50)).toContain('process 50 of the node was executed');
  });

  it('by one of whom nothing is known, as he is about to begin or has ended, where the pod has no probes', () => {
    expect(openedBy({ ...entered([]), pod: unprobed.pod })).toContain('process 50 of the node was executed');
  });

  it.each([
    ['its own processes', evidence()],
    ['a probe of the pod', entered(['/app/check', '--alive'])],
    ['what may be a probe still, as it is so young', entered(['sleep'], {}, 1)],
    ['one of whom nothing is known in a pod that has probes', entered([])],
    ['whom the module allows in', entered(['/bin/sh'], { allowExec: true })],
  ])('not by %s', (_, of) => expect(openedBy(of)).toBeUndefined());

  it('not by somebody unseen, where the pod has probes or the module allows it', () => {
    expect(openedUnseen(evidence(), 50)).toBeUndefined();
    expect(openedUnseen({ ...entered([], { allowExec: true }), pod: unprobed.pod }, 50)).toBeUndefined();
  });

  it('and counts no more once the module allows it', () => {
    const opened = 'a shell';
    expect(decide({ ...evidence(), opened })).toMatchObject({ reason: 'LineageMismatch' });
    expect(decide({ ...evidence({ policy: { allowExec: true } }), opened })).toMatchObject({ allowed: true });
  });
});
