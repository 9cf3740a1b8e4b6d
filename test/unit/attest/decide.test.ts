// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decide, RULES } from '../../../src/attest/decide.ts';
import { REASONS, type Evidence, type Verdict } from '../../../src/attest/port.ts';
import { CODE_DENIALS } from './code-denials.ts';
import {
  answering,
  digest,
  entered,
  evidence,
  evidenceOfAnyIds,
  HASH,
  mapped,
  policy,
  process,
  sharing,
  unowned,
  without,
  withoutCall,
  withoutPid,
} from './evidence.ts';
import { POD_DENIALS } from './pod-denials.ts';
import { PROCESS_DENIALS } from './process-denials.ts';

const DENIALS = [...POD_DENIALS, ...CODE_DENIALS, ...PROCESS_DENIALS];

const NAMES = [
  'NodeTrusted',
  'CallerAlive',
  'ContainerKnown',
  'SocketOwner',
  'PodBound',
  'ModuleMatched',
  'ImageDigest',
  'ImageSignature',
  'PodOwned',
  'CommandAllowed',
  'ExecutableAllowed',
  'CodeFromImage',
  'NotTampered',
  'Credentials',
  'Lineage',
  'PolicyWindow',
];
const outcomes = (verdict: Verdict): string[] => verdict.table.map(({ outcome }) => outcome);

describe('decide', () => {
  it('has its rules in order, each with a reason of its own', () => {
    expect(RULES.map(({ name }) => name)).toEqual(NAMES);
    const reasons = RULES.map(({ reason }) => reason);
    // The one of modules of the host alone, and a second one of ModuleMatched.
    const others = ['UnitMismatch', 'ModuleAmbiguous'];
    expect(REASONS.filter((reason) => !others.includes(reason))).toEqual(reasons);
  });

  it('gives no reason that the README does not explain in its table of rules', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../../README.md'), 'utf8');
    const rows = readme.split('\n').filter((line) => line.startsWith('| '));
    const explained = rows.flatMap((row) =>
      [...(row.split('|')[2] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    expect(REASONS.filter((reason) => !explained.includes(reason))).toEqual([]);
  });

  it('allows where everything holds, and says why', () => {
    const verdict = decide(evidence());
    expect(verdict).toMatchObject({ allowed: true, module: policy });
    expect(verdict.table).toEqual([
      { rule: 'NodeTrusted', outcome: 'Held', message: 'measured boot is not enforced on node edge-1' },
      { rule: 'CallerAlive', outcome: 'Held', message: 'process 42, started at tick 149967' },
      {
        rule: 'ContainerKnown',
        outcome: 'Held',
        message: expect.stringContaining('container main (fbfbfbfbfbfb) of pod ce23'),
      },
      { rule: 'SocketOwner', outcome: 'Held', message: expect.stringContaining('the socket of its own pod ce23') },
      { rule: 'PodBound', outcome: 'Held', message: 'pod plant/press-7 on node edge-1' },
      { rule: 'ModuleMatched', outcome: 'Held', message: 'EdgeModule plant/press, container main' },
      { rule: 'ImageDigest', outcome: 'Held', message: `manifest digest ${digest('2')} of registry/press:7` },
      { rule: 'ImageSignature', outcome: 'Held', message: 'signed by key release' },
      {
        rule: 'PodOwned',
        outcome: 'Held',
        message: 'ReplicaSet press-7d of Deployment press of EdgeModule press',
      },
      { rule: 'CommandAllowed', outcome: 'Held', message: '["/app/press","4"]' },
      { rule: 'ExecutableAllowed', outcome: 'Held', message: `/app/press (${HASH})` },
      { rule: 'CodeFromImage', outcome: 'Held', message: '2 files, all from the image' },
      { rule: 'NotTampered', outcome: 'Held', message: 'no tracer, no changed code, no preloaded library' },
      {
        rule: 'Credentials',
        outcome: 'Held',
        message: 'running with uid 1000, gid 2000, capabilities CHOWN, no new privileges, seccomp filter',
      },
      { rule: 'Lineage', outcome: 'Held', message: 'the first process of its container' },
      {
        rule: 'PolicyWindow',
        outcome: 'Held',
        message: expect.stringMatching(/^from 1970.* until 1970.* at most 60 s without the API server$/),
      },
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
    const before = denied.phase === 'Starting' ? expect.stringMatching(/Held|Skipped/) : 'Held';
    expect(outcomes(verdict)).toEqual([
      ...NAMES.slice(0, at).map(() => before),
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
      evidence({
        container: { name: 'sidecar' },
        pod: { mounting: ['sidecar'], commands: { sidecar: policy.podCommand! } },
        policy: { container: 'sidecar' },
      }),
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
    ['a process that called no socket', withoutCall()],
    ['a pod with shared processes where the policy allows it', sharing()],
    [
      'a privileged pod where the policy allows it',
      evidence({ pod: { privileged: ['main'] }, policy: { pod: { ...policy.pod, allowPrivileged: true } } }),
    ],
    ['a pod of any owner for a selector module', unowned()],
    [
      'the command of the image where the template says none',
      evidence({ pod: { commands: {} }, policy: { podCommand: { command: [], args: [], variables: {} } } }),
    ],
    [
      'a library on a volume that the policy names',
      evidence({ process: { mappings: [{ path: '/opt/plugins/x.so', origin: 'foreign', mount: '/opt/plugins' }] } }),
    ],
    [
      'a script on a volume that the policy names',
      evidence({ process: { script: { path: '/opt/plugins/x.js', origin: 'foreign', mount: '/opt/plugins' } } }),
    ],
    ['a script of the image', evidence({ process: { script: { path: '/app/x.js', origin: 'image' } } })],
    [
      'any script where the policy does not mind',
      evidence({
        process: { script: { path: '/tmp/x.js', origin: 'writable' } },
        policy: answering('foreignScript', 'Allow'),
      }),
    ],
    ['code of a just-in-time compiler', evidence({ process: { anonymousCodeBytes: 1 << 20 } })],
    ['a descendant of the first process', evidence({ process: { lineage: { kind: 'Descendant' } } })],
    ['a probe that the pod declares', entered(['/app/check', '--alive'])],
    ['a probe that has executed another program', { ...withoutCall(), process: entered(['sleep'], {}, 3).process! }],
    ['an executed process where the policy allows it', entered(['/bin/sh'], { allowExec: true })],
    ['no volume mounted', evidence({ pod: { mounting: [] } })],
    ['a runtime that does not tell the first process', { ...evidence(), container: withoutPid() }],
  ])('allows %s', (_, allowed) => {
    expect(decide(allowed)).toMatchObject({ allowed: true });
  });

  it('judges before the process runs what can be judged then', () => {
    const starting: Evidence = { ...without('process', withoutCall()), phase: 'Starting' };
    const verdict = decide(starting);
    expect(verdict.allowed).toBe(true);
    const skipped = verdict.table.filter(({ outcome }) => outcome === 'Skipped').map(({ rule }) => rule);
    expect(skipped).toEqual([
      ...['CallerAlive', 'SocketOwner', 'ExecutableAllowed', 'CodeFromImage', 'NotTampered', 'Lineage'],
    ]);
    const found = verdict.table.find(({ rule }) => rule === 'Credentials');
    expect(found).toMatchObject({ message: 'to be started with uid 1000, gid 2000' });
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

  it.each<[string, Evidence]>([
    [
      'a debugger',
      evidence({
        process: { privileges: { ...process.privileges, tracer: 7 } },
        policy: answering('tracer', 'Report'),
      }),
    ],
    ['compiled code', evidence({ process: { anonymousCodeBytes: 1 }, policy: answering('anonymousCode', 'Report') })],
    [
      'a dropped script',
      evidence({
        process: { script: { path: '/tmp/x.js', origin: 'writable' } },
        policy: answering('foreignScript', 'Report'),
      }),
    ],
  ])('allows and reports %s where the policy says so', (_, reported) => {
    const verdict = decide(reported);
    expect(verdict.allowed).toBe(true);
    const rows = verdict.table.filter(({ outcome }) => outcome === 'Reported');
    expect(rows).toHaveLength(1);
    expect(rows[0]?.message).toMatch(/^expected .+, found .+; .+/);
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
