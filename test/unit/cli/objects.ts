// SPDX-License-Identifier: Apache-2.0
import type { KubeObject } from '../../../src/kube/index.ts';
import { NOW } from './fakes.ts';

const at = (offsetMs: number): string => new Date(NOW + offsetMs).toISOString();
const HOUR = 3_600_000;

export function condition(type: string, status = 'True', reason = 'Fine', message = 'All is well.'): object {
  return { type, status, reason, message, lastTransitionTime: at(-HOUR) };
}

type Made = KubeObject & Record<string, unknown>;

export function device(name: string, change: { conditions?: object[]; status?: object } = {}): Made {
  const conditions = change.conditions ?? [
    condition('Ready'),
    condition('RootOfTrustReady'),
    condition('IssuerReady'),
    condition('ClockSynchronized'),
  ];
  return {
    metadata: { name },
    spec: { trustDomain: 'edge.example' },
    status: {
      conditions,
      platform: { containerStarts: 'Nri' },
      token: { kind: 'PKCS11', label: 'edge' },
      issuer: { fingerprint: 'aa', notAfter: at(24 * HOUR) },
      ...change.status,
    },
  };
}

export function holder(pod: string, change: object = {}): object {
  return {
    pod,
    podUid: `uid-${pod}`,
    node: 'node-1',
    verdict: 'Allowed',
    since: at(-HOUR),
    notAfter: at(HOUR),
    ...change,
  };
}

export function identity(name: string, holders: object[]): Made {
  const conditions = [condition('Ready')];
  return { metadata: { namespace: 'factory', name }, status: { conditions, holders, notAfter: at(HOUR) } };
}

export function pod(name: string, change: { component?: string; node?: string; ready?: boolean } = {}): Made {
  const { component, node = 'node-1', ready = true } = change;
  return {
    metadata: {
      namespace: component === undefined ? 'factory' : 'keystead-system',
      name,
      uid: `uid-${name}`,
      ...(component !== undefined && { labels: { 'app.kubernetes.io/component': component } }),
    },
    spec: { nodeName: node },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        { name: 'main', ready, state: ready ? { running: {} } : { waiting: { reason: 'CrashLoop' } } },
      ],
    },
  };
}

/** An installation in which all is well. */
export const HEALTHY = {
  edgedevices: [device('node-1')],
  edgemodules: [{ metadata: { namespace: 'factory', name: 'press' }, status: { conditions: [condition('Ready')] } }],
  moduleidentities: [identity('press', [holder('press-0')])],
  trustbundles: [{ metadata: { name: 'edge' }, status: { conditions: [condition('Ready')], fingerprints: ['aa'] } }],
  pods: [pod('agent-1', { component: 'node' }), pod('controller-1', { component: 'controller' }), pod('press-0')],
  nodes: [{ metadata: { name: 'node-1' } }],
  csidrivers: [{ metadata: { name: 'csi.keystead.dev' } }],
  csinodes: [{ metadata: { name: 'node-1' }, spec: { drivers: [{ name: 'csi.keystead.dev' }] } }],
} satisfies Record<string, readonly Made[]>;

export const ago = (ms: number): string => at(-ms);
