// SPDX-License-Identifier: Apache-2.0
import type {
  CodeOrigin,
  ContainerEvidence,
  Evidence,
  ModulePolicy,
  PodEvidence,
  ProcessEvidence,
} from '../../../src/attest/port.ts';

export const POD_UID = 'ce23a47b-bf2d-4e7c-826c-684c5acc39bc';
export const CONTAINER = 'fb'.repeat(32);
export const HASH = 'ab'.repeat(32);

export const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

export const pod: PodEvidence = {
  uid: POD_UID,
  namespace: 'plant',
  name: 'press-7',
  node: 'edge-1',
  labels: { app: 'press' },
  serviceAccount: 'press',
  hostPID: false,
  shareProcessNamespace: false,
  deleting: false,
  containers: ['main', 'sidecar'],
  initContainers: ['setup'],
  ephemeralContainers: [],
  mounting: ['main'],
};

export const container: ContainerEvidence = {
  id: CONTAINER,
  name: 'main',
  podUid: POD_UID,
  image: { reference: 'registry/press:7', index: digest('1'), manifest: digest('2'), config: digest('3') },
  uid: 1000,
  gid: 2000,
  pid: 42,
};

export const process: ProcessEvidence = {
  pid: 42,
  init: 42,
  startTime: '149967',
  containerId: CONTAINER,
  podUid: POD_UID,
  uid: 1000,
  gid: 2000,
  mixedIds: false,
  executable: { path: '/app/press', sha256: HASH },
  mappings: [
    { path: '/app/press', origin: 'image' },
    { path: '/lib/libc.so.6', origin: 'image' },
  ],
};

export const policy: ModulePolicy = {
  namespace: 'plant',
  name: 'press',
  uid: '99999999-0000-0000-0000-000000000000',
  digests: [digest('2')],
  executables: [{ path: '/app/press', sha256: HASH }],
  fromImage: true,
  uidAllowed: 1000,
  gidAllowed: 2000,
};

interface Changes {
  readonly pod?: Partial<PodEvidence>;
  readonly container?: Partial<ContainerEvidence>;
  readonly process?: Partial<ProcessEvidence>;
  readonly policy?: Partial<ModulePolicy>;
}

/** Evidence by which everything holds, with changes. */
export function evidence(changes: Changes = {}): Evidence {
  return {
    node: 'edge-1',
    phase: 'Running',
    pod: { ...pod, ...changes.pod },
    container: { ...container, ...changes.container },
    process: { ...process, ...changes.process },
    modules: [{ ...policy, ...changes.policy }],
  };
}

/** Evidence without one of its parts. */
export function without(part: 'pod' | 'container' | 'process', of = evidence()): Evidence {
  return Object.fromEntries(Object.entries(of).filter(([name]) => name !== part)) as unknown as Evidence;
}

export function mapping(origin: CodeOrigin, path: string, detail?: string): Evidence {
  const added = { path, origin, ...(detail === undefined ? {} : { detail }) };
  return evidence({ process: { mappings: [...process.mappings, added] } });
}

export function mapped(uid: number, gid = 102000): Evidence {
  const ids = [{ inside: 0, outside: 100000, length: 65536 }];
  return evidence({ process: { uid, gid, userNamespace: { uids: ids, gids: ids } } });
}

export function processWithout(key: 'containerId' | 'podUid', changes: Partial<ProcessEvidence>): Evidence {
  const rest = Object.fromEntries(
    Object.entries(process).filter(([name]) => name !== key),
  ) as unknown as ProcessEvidence;
  return { ...evidence(), process: { ...rest, ...changes } };
}

export function evidenceOfAnyIds(changes: Partial<ProcessEvidence>): Evidence {
  const { uidAllowed: _uid, gidAllowed: _gid, ...open } = policy;
  return { ...evidence({ process: changes }), modules: [open] };
}

export function withoutPid(): NonNullable<Evidence['container']> {
  const { pid: _pid, ...rest } = evidence().container!;
  return rest;
}
