// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../src/api/pod.ts';
import type { EdgeModule, ModuleIdentity } from '../../src/api/v1alpha1/index.ts';
import type { ContainerEvidence, OwnerEvidence, ProcessEvidence } from '../../src/attest/port.ts';
import { CSI_DRIVER, MODULE_LABEL } from '../../src/api/names.ts';
import { PROCESS } from './declared.ts';

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const OTHER_DIGEST = `sha256:${'b'.repeat(64)}`;
export const CONTAINER_ID = 'c'.repeat(64);

export function aPod(change: Partial<{ uid: string; labels: Record<string, string>; phase: string }> = {}): Pod {
  const uid = change.uid ?? 'pod-1';
  return {
    metadata: { namespace: 'shop', name: uid, uid, labels: change.labels ?? { [MODULE_LABEL]: 'till' } },
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'main', volumeMounts: [{ name: 'id' }] }],
      volumes: [{ name: 'id', csi: { driver: CSI_DRIVER, volumeAttributes: { identity: 'till' } } }],
    },
    status: { phase: change.phase ?? 'Running' },
  };
}

/** What the API server fills in. */
const DEFAULTS = {
  images: [],
  process: PROCESS,
  pod: { allowPrivileged: false, allowSharedProcessNamespace: false },
  remeasureInterval: '30s',
  onViolation: 'Revoke',
  desiredState: 'Running',
  startupOrder: 0,
} as const;

export function aModule(spec: Partial<EdgeModule['spec']> = {}): EdgeModule {
  const template = {
    kind: 'Deployment' as const,
    pod: { spec: { containers: [{ name: 'main', image: `r/till@${DIGEST}` }] } },
  };
  return {
    metadata: { namespace: 'shop', name: 'till', uid: 'm-1' },
    spec: { template, ...DEFAULTS, ...spec },
  } as EdgeModule;
}

/** Who owns the pods of `aModule`. */
export const OWNERS: readonly OwnerEvidence[] = [
  { kind: 'ReplicaSet', name: 'till-7d', uid: 'rs-1' },
  { kind: 'Deployment', name: 'till', uid: 'd-1' },
  { kind: 'EdgeModule', name: 'till', uid: 'm-1' },
];

export function anIdentity(spec: Partial<ModuleIdentity['spec']> = {}, name = 'till'): ModuleIdentity {
  return {
    metadata: { namespace: 'shop', name, uid: `i-${name}` },
    spec: {
      moduleRef: { name: 'till' },
      delivery: ['Volume'],
      x509: { duration: '1h', renewAtPercent: 50, dnsNames: [] },
      key: { residency: 'Memory' },
      ...spec,
    },
  } as ModuleIdentity;
}

export function aContainer(change: Partial<ContainerEvidence> = {}): ContainerEvidence {
  return {
    id: CONTAINER_ID,
    name: 'main',
    podUid: 'pod-1',
    image: { reference: 'r/till', config: DIGEST },
    uid: 1000,
    gid: 1000,
    pid: 4242,
    ...change,
  };
}

export function aProcess(change: Partial<ProcessEvidence> = {}): ProcessEvidence {
  return {
    pid: 4242,
    startTime: '77',
    containerId: CONTAINER_ID,
    podUid: 'pod-1',
    uid: 1000,
    gid: 1000,
    mixedIds: false,
    executable: { path: '/bin/till', sha256: 'e'.repeat(64) },
    mappings: [{ path: '/bin/till', origin: 'image' }],
    privileges: { groups: [], capabilities: [], noNewPrivileges: true, seccomp: 'Filter' },
    lineage: { kind: 'First' },
    argv: ['/bin/till'],
    anonymousCodeBytes: 0,
    loaderVariables: [],
    ...change,
  };
}
