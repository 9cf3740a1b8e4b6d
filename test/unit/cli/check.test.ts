// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { KeysteadError } from '../../../src/errors.ts';
import type { Checked } from '../../../src/cli/check.ts';
import { fakeCluster, run, type Objects, type Ran } from './fakes.ts';
import { ago, condition, device, HEALTHY, holder, identity, pod } from './objects.ts';

const ranOn = (change: Objects): Promise<Ran> =>
  run('check --json', { cluster: fakeCluster({ ...HEALTHY, ...change }) });
const problems = ({ out }: Ran): Checked[] =>
  (JSON.parse(out) as { checks: Checked[] }).checks.filter(({ level }) => level !== 'ok');

describe('keystead check', () => {
  it('says of a sound installation that all is well, and ends with 0', async () => {
    const found = await run('check', { cluster: fakeCluster(HEALTHY) });
    expect(found).toMatchObject({ exit: 0, err: '' });
    expect(found.out.split('\n')).toHaveLength(11);
    expect(found.out).not.toMatch(/^(warn|fail)/m);
  });

  it.each<[string, Objects, Partial<Checked>, number]>([
    ['no controller', { pods: HEALTHY.pods.slice(0, 1) }, { check: 'controller', level: 'fail' }, 2],
    [
      'a controller that is not ready',
      { pods: [HEALTHY.pods[0]!, pod('controller-1', { component: 'controller', ready: false })] },
      { check: 'controller', level: 'fail', message: 'no pod is ready: keystead-system/controller-1: main CrashLoop' },
      2,
    ],
    [
      'an agent that is not ready',
      { pods: [HEALTHY.pods[1]!, pod('agent-1', { component: 'node', ready: false })] },
      { check: 'agents', level: 'fail' },
      2,
    ],
    [
      'a node without an agent',
      { nodes: [...HEALTHY.nodes, { metadata: { name: 'node-2' } }] },
      { check: 'agents', level: 'warn', message: 'no agent on node node-2' },
      1,
    ],
    ['no CSIDriver', { csidrivers: [] }, { check: 'CSI driver', level: 'fail' }, 2],
    [
      'a kubelet that does not know the driver',
      { csinodes: [{ metadata: { name: 'node-1' } }] },
      { check: 'CSI driver', message: 'the kubelet of node node-1 does not know csi.keystead.dev' },
      2,
    ],
    ['no device', { edgedevices: [] }, { check: 'notary', level: 'warn' }, 1],
    [
      'a token that is away, told of once',
      {
        edgedevices: [
          device('node-1', {
            conditions: [
              condition('RootOfTrustReady', 'False', 'TokenAbsent', 'No token.'),
              condition('IssuerReady', 'False', 'TokenAbsent', 'No token.'),
              condition('ClockSynchronized'),
            ],
          }),
        ],
      },
      { check: 'notary', level: 'fail', message: 'device node-1: TokenAbsent: No token.' },
      2,
    ],
    [
      'a clock that is wrong',
      {
        edgedevices: [
          device('node-1', {
            conditions: [
              condition('RootOfTrustReady'),
              condition('IssuerReady'),
              condition('ClockSynchronized', 'False', 'ClockSkew', '90 s behind.'),
            ],
          }),
        ],
      },
      { check: 'clocks', level: 'fail', message: 'device node-1: ClockSkew: 90 s behind.' },
      2,
    ],
    [
      'starts that are not held',
      { edgedevices: [device('node-1', { status: { platform: { containerStarts: 'TaskEvents' } } })] },
      { check: 'NRI', level: 'warn' },
      1,
    ],
    [
      'a certificate that ended',
      { moduleidentities: [identity('press', [holder('press-0', { notAfter: ago(60_000) })])] },
      { check: 'certificates', level: 'fail', message: 'factory/press in pod press-0 ended 1m ago' },
      2,
    ],
    [
      'a renewal that is late',
      { moduleidentities: [identity('press', [holder('press-0', { renewalTime: ago(600_000) })])] },
      { check: 'certificates', level: 'warn' },
      1,
    ],
    [
      'an issuer in no bundle',
      { trustbundles: [{ metadata: { name: 'edge' }, status: { conditions: [condition('Ready')] } } as object] },
      { check: 'trust bundles', level: 'warn' },
      1,
    ],
    [
      'a bundle that is not ready',
      {
        trustbundles: [
          {
            metadata: { name: 'edge' },
            status: {
              conditions: [condition('Ready', 'False', 'SourceAbsent', 'No ConfigMap.')],
              fingerprints: ['aa'],
            },
          } as object,
        ],
      },
      { check: 'trust bundles', level: 'fail', message: 'bundle edge: SourceAbsent: No ConfigMap.' },
      2,
    ],
    [
      'a pod that was denied',
      {
        moduleidentities: [
          identity('press', [
            holder('press-0', { verdict: 'Denied', reason: 'ImageDigestMismatch', message: 'Other.' }),
          ]),
        ],
      },
      { check: 'identities', level: 'warn', remedy: 'keystead explain pod/press-0 -n factory' },
      1,
    ],
  ])('finds %s', async (_what, change, expected, exit) => {
    const found = await ranOn(change);
    expect(problems(found)).toEqual([
      expect.objectContaining({ ...expected, remedy: expect.stringMatching(/\w+ \w+/) }),
    ]);
    expect(found.exit).toBe(exit);
  });

  it('looks no further where the CRDs are missing', async () => {
    const { edgedevices: _gone, ...rest } = HEALTHY;
    const found = await run('check --json', { cluster: fakeCluster(rest) });
    expect(problems(found)).toEqual([
      expect.objectContaining({ check: 'CRDs', message: 'the API server does not know EdgeDevice' }),
    ]);
    expect(found.out).not.toContain('controller');
  });

  it('looks no further where the API server does not answer', async () => {
    const version = (): never => {
      throw new KeysteadError('Unavailable', 'no answer from the API server: ECONNREFUSED');
    };
    const found = await run('check', {
      cluster: fakeCluster(HEALTHY, { version: () => Promise.resolve().then(version) }),
    });
    expect(found.exit).toBe(2);
    expect(found.out).toContain('ECONNREFUSED');
    expect(found.out).not.toContain('CRDs');
  });

  it('tells what it may not look at, and goes on', async () => {
    const found = await ranOn({ nodes: new KeysteadError('PermissionDenied', 'nodes is forbidden') });
    expect(problems(found)).toEqual([
      expect.objectContaining({ check: 'agents', level: 'warn', message: 'cannot look: nodes is forbidden' }),
    ]);
    expect(found.exit).toBe(1);
  });
});
