// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { decide, HOST_RULES, RULES } from '../../../src/attest/decide.ts';
import type { Evidence, ProcessEvidence } from '../../../src/attest/port.ts';
import { evidence, HASH, policy, process } from './evidence.ts';

const UNIT = 'updater.service';
const OF_NODE = { path: '/usr/bin/updater', origin: 'node' } as const;
const { containerId: _, podUid: __, ...outside } = process;

/** A process of the host that is what its module demands, with changes. */
function host(change: Partial<ProcessEvidence> = {}): Evidence {
  return {
    ...{ node: 'edge-1', phase: 'Running', moment: evidence().moment! },
    modules: [
      { ...policy, host: { unit: UNIT }, executables: [{ path: '/usr/bin/updater', sha256: HASH }], uidAllowed: 990 },
    ],
    process: {
      ...outside,
      ...{ unit: UNIT, uid: 990, loaderVariables: [], lineage: { kind: 'Descendant' } },
      executable: { path: '/usr/bin/updater', sha256: HASH },
      mappings: [OF_NODE, { path: '/usr/lib/libc.so.6', origin: 'node' }],
      ...change,
    },
  };
}

describe('decide, for a module of the host', () => {
  it('walks the rules that speak of no pod, in the same order', () => {
    const names = HOST_RULES.map(({ name }) => name);
    expect(names).toEqual([
      ...[
        'NodeTrusted',
        'CallerAlive',
        'UnitMatched',
        'ExecutableAllowed',
        'CodeFromImage',
        'NotTampered',
        'Credentials',
        'PolicyWindow',
      ],
    ]);
    const shared = names.filter((name) => name !== 'UnitMatched');
    expect(RULES.map(({ name }) => name).filter((name) => shared.includes(name))).toEqual(shared);
  });

  it('allows a process of the unit that is what the module lists', () => {
    const verdict = decide(host());
    expect(verdict).toMatchObject({ allowed: true });
    expect(verdict.table.every(({ outcome }) => outcome === 'Held')).toBe(true);
    expect(verdict.table[2]).toMatchObject({
      rule: 'UnitMatched',
      message: 'process of updater.service on node edge-1',
    });
  });

  it.each<[string, Partial<ProcessEvidence>, string, string]>([
    [
      'of another unit',
      { unit: 'cron.service' },
      'UnitMismatch',
      'found one of cron.service; only what systemd starts in updater.service',
    ],
    [
      'in a container that claims the unit',
      { containerId: 'c'.repeat(64), podUid: 'pod-1' },
      'UnitMismatch',
      'found one of container cccccccccccc of pod pod-1',
    ],
    [
      'with another executable',
      { executable: { path: '/tmp/updater', sha256: '0'.repeat(64) } },
      'ExecutableNotAllowed',
      'correct the program',
    ],
    [
      'with the same executable elsewhere',
      { executable: { path: '/tmp/updater', sha256: HASH } },
      'ExecutableNotAllowed',
      'expected it at /usr/bin/updater',
    ],
    [
      'with a library that its own user may write',
      { mappings: [OF_NODE, { path: '/var/lib/updater/x.so', origin: 'writable', detail: 'owner 990, mode 0755' }] },
      'CodeNotFromImage',
      'found /var/lib/updater/x.so from writable (owner 990, mode 0755); have root own it and nobody else write it',
    ],
    [
      'with a script that anybody may write',
      { script: { path: '/srv/run.py', origin: 'writable', detail: 'owner 0, mode 0666' } },
      'CodeNotFromImage',
      'found script /srv/run.py from writable (owner 0, mode 0666)',
    ],
    [
      'that is a program in memory',
      { mappings: [{ path: '/memfd:x (deleted)', origin: 'anonymous' }] },
      'CodeNotFromImage',
      'found /memfd:x (deleted) from anonymous',
    ],
    [
      'of another user',
      { uid: 991 },
      'CredentialsMismatch',
      'expected uid 990, found uid 991; set User and Group of the unit',
    ],
    [
      'in a user namespace of its own',
      { ownNamespaces: ['user'] },
      'CredentialsMismatch',
      "expected the node's user namespace",
    ],
    [
      'in a user namespace with many ids',
      { userNamespace: { uids: [{ inside: 0, outside: 990, length: 65536 }], gids: [] } },
      'CredentialsMismatch',
      "expected the node's user namespace",
    ],
    [
      'with a preloaded library',
      { loaderVariables: ['LD_PRELOAD=/tmp/x.so'] },
      'ProcessTampered',
      'LD_PRELOAD=/tmp/x.so',
    ],
  ])('denies a process %s', (_, change, reason, message) => {
    const verdict = decide(host(change));
    expect(verdict).toMatchObject({ allowed: false, reason });
    expect(verdict).toMatchObject({ message: expect.stringContaining(message) });
    expect(verdict).toMatchObject({ message: expect.stringMatching(/^expected .+, found .+; .+/) });
  });

  it('denies a process in no unit', () => {
    const { unit: ___, ...without } = host().process!;
    const verdict = decide({ ...host(), process: without });
    expect(verdict).toMatchObject({ reason: 'UnitMismatch', message: expect.stringContaining('found one of no unit') });
  });

  it('denies one whose node is not trusted, first of all', () => {
    const verdict = decide({ ...host({ unit: 'cron.service' }), integrity: { standing: 'Refused', message: 'PCR 7' } });
    expect(verdict).toMatchObject({ reason: 'NodeNotTrusted' });
  });
});
