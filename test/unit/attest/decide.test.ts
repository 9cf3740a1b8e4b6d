// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { decide, RULES } from '../../../src/attest/decide.ts';
import { REASONS, type Evidence, type Verdict } from '../../../src/attest/port.ts';
import { DENIALS } from './denials.ts';
import { digest, evidence, evidenceOfAnyIds, HASH, mapped, policy, without, withoutPid } from './evidence.ts';

const NAMES = [
  'NodeTrusted',
  'ContainerKnown',
  'PodBound',
  'ModuleMatched',
  'ImageDigest',
  'ExecutableAllowed',
  'CodeFromImage',
  'Credentials',
];
const outcomes = (verdict: Verdict): string[] => verdict.table.map(({ outcome }) => outcome);

describe('decide', () => {
  it('has its rules in order, each with a reason of its own', () => {
    expect(RULES.map(({ name }) => name)).toEqual(NAMES);
    const reasons = RULES.map(({ reason }) => reason);
    expect(REASONS.filter((reason) => reason !== 'ModuleAmbiguous')).toEqual(reasons);
  });

  it('allows where everything holds, and says why', () => {
    const verdict = decide(evidence());
    expect(verdict).toMatchObject({ allowed: true, module: policy });
    expect(verdict.table).toEqual([
      { rule: 'NodeTrusted', outcome: 'Held', message: 'measured boot is not enforced on node edge-1' },
      {
        rule: 'ContainerKnown',
        outcome: 'Held',
        message: expect.stringContaining('container main (fbfbfbfbfbfb) of pod ce23'),
      },
      { rule: 'PodBound', outcome: 'Held', message: 'pod plant/press-7 on node edge-1' },
      { rule: 'ModuleMatched', outcome: 'Held', message: 'EdgeModule plant/press, container main' },
      { rule: 'ImageDigest', outcome: 'Held', message: `manifest digest ${digest('2')} of registry/press:7` },
      { rule: 'ExecutableAllowed', outcome: 'Held', message: `/app/press (${HASH})` },
      { rule: 'CodeFromImage', outcome: 'Held', message: '2 files, all from the image' },
      { rule: 'Credentials', outcome: 'Held', message: 'running with uid 1000, gid 2000' },
    ]);
  });

  const cases = DENIALS.flatMap(({ rule, reason, cases: of }) => of.map((denial) => ({ rule, reason, ...denial })));

  it.each(cases)('denies $what by $rule', ({ rule, reason, denied, message }) => {
    const verdict = decide(denied);
    if (verdict.allowed) throw new Error('allowed');
    const at = NAMES.indexOf(rule);
    expect(verdict.reason).toBe(reason);
    expect(verdict.message).toContain(message);
    // Every refusal says what was expected, what was found, and what to do.
    expect(verdict.message).toMatch(/^expected .+, found .+; .+/);
    expect(verdict.table[at]).toEqual({ rule, outcome: 'Failed', message: verdict.message });
    expect(outcomes(verdict)).toEqual([
      ...NAMES.slice(0, at).map(() => 'Held'),
      'Failed',
      ...NAMES.slice(at + 1).map(() => 'NotReached'),
    ]);
  });

  it.each<[string, Evidence]>([
    ['the index digest', evidence({ policy: { digests: [digest('1')] } })],
    ['the config digest', evidence({ policy: { digests: [digest('9'), digest('3')] } })],
    [
      'a digest with its repository, in capitals',
      evidence({ policy: { digests: [`registry/press@${digest('2').toUpperCase()}`] } }),
    ],
    [
      'a side-loaded image, of which only the config digest is known',
      evidence({ container: { image: { reference: 'x', config: digest('2') } } }),
    ],
    [
      'any executable',
      evidence({ policy: { executables: [] }, process: { executable: { path: '/other', sha256: '' } } }),
    ],
    [
      'an executable at any path',
      evidence({
        policy: { executables: [{ sha256: `sha256:${HASH.toUpperCase()}` }] },
        process: { executable: { path: '/other', sha256: HASH } },
      }),
    ],
    [
      'code from elsewhere where the policy does not mind',
      evidence({ policy: { fromImage: false }, process: { mappings: [{ path: '/x', origin: 'writable' }] } }),
    ],
    ['any ids', evidenceOfAnyIds({ uid: 7, gid: 8, ownNamespaces: ['user'] })],
    ['ids of a container with its own', mapped(101000)],
    [
      'a container that the policy names',
      evidence({ container: { name: 'sidecar' }, pod: { mounting: ['sidecar'] }, policy: { container: 'sidecar' } }),
    ],
    ['a process that runs on in a pod that is being deleted', evidence({ pod: { deleting: true } })],
    [
      'a node whose boot is verified',
      { ...evidence(), integrity: { standing: 'Verified', message: 'Verified: 3 PCRs' } },
    ],
    [
      'what holds already on a node whose boot is not verified yet',
      { ...evidence(), integrity: { standing: 'Pending', message: 'no answer yet' } },
    ],
    ['no volume mounted', evidence({ pod: { mounting: [] } })],
    ['a runtime that does not tell the first process', { ...evidence(), container: withoutPid() }],
  ])('allows %s', (_, allowed) => {
    expect(decide(allowed)).toMatchObject({ allowed: true });
  });

  it('judges before the process runs what can be judged then', () => {
    const starting: Evidence = { ...without('process'), phase: 'Starting' };
    const verdict = decide(starting);
    expect(verdict.allowed).toBe(true);
    expect(outcomes(verdict)).toEqual(['Held', 'Held', 'Held', 'Held', 'Held', 'Skipped', 'Skipped', 'Held']);
    expect(verdict.table[7]).toMatchObject({ message: 'to be started with uid 1000, gid 2000' });
    const told = { ...starting, container: { ...starting.container!, uid: 0 } };
    expect(decide(told)).toMatchObject({ allowed: false, reason: 'CredentialsMismatch' });
    expect(decide(without('container', starting))).toMatchObject({ allowed: false, reason: 'ContainerUnknown' });
    expect(decide({ ...starting, modules: [] })).toMatchObject({ allowed: false, reason: 'ModuleUnknown' });
  });

  it('names the first reason where there are several, and counts the other files', () => {
    const several = evidence({
      pod: { hostPID: true },
      policy: { digests: [digest('9')] },
      process: { mixedIds: true },
    });
    expect(decide(several)).toMatchObject({ reason: 'PodNotBound' });
    const files = evidence({
      process: {
        mappings: [
          { path: '/a', origin: 'writable' },
          { path: '/b', origin: 'deleted' },
        ],
      },
    });
    expect(decide(files)).toMatchObject({ message: expect.stringContaining('found /a from writable and 1 more;') });
  });

  it('is pure', () => {
    const frozen = Object.freeze(evidence());
    expect(decide(frozen)).toEqual(decide(frozen));
  });

  // NodeTrusted alone has nothing to judge where nobody demands measured boot.
  it.each(RULES.slice(1).map((rule) => [rule.name, rule] as const))(
    '%s refuses what it cannot judge, whatever comes before it',
    (_, rule) => {
      const nothing: Evidence = { node: 'edge-1', modules: [], phase: 'Running' };
      expect(rule.check(nothing).outcome).toBe('Failed');
    },
  );
});
