// SPDX-License-Identifier: Apache-2.0
import type {
  Answer,
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
  privileged: [],
  owners: [
    { kind: 'ReplicaSet', name: 'press-7d', uid: 'r' },
    { kind: 'Deployment', name: 'press', uid: 'd' },
    { kind: 'EdgeModule', name: 'press', uid: '99999999-0000-0000-0000-000000000000' },
  ],
  probes: { main: { commands: [['/app/check', '--alive']], seconds: 3 } },
  commands: {
    main: { command: ['/app/press'], args: ['$(LINE)'], variables: { LINE: '{"name":"LINE","value":"4"}' } },
  },
};

export const container: ContainerEvidence = {
  id: CONTAINER,
  name: 'main',
  podUid: POD_UID,
  image: { reference: 'registry/press:7', index: digest('1'), manifest: digest('2'), config: digest('3') },
  uid: 1000,
  gid: 2000,
  pid: 42,
  argv: ['/app/press', '4'],
  imageEnvironment: ['LD_PRELOAD=/lib/libjemalloc.so'],
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
  privileges: { groups: [2000, 3000], capabilities: ['CHOWN'], noNewPrivileges: true, seccomp: 'Filter' },
  lineage: { kind: 'First' },
  argv: ['/app/press', '4'],
  anonymousCodeBytes: 0,
  loaderVariables: ['LD_PRELOAD=/lib/libjemalloc.so'],
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
  groupsAllowed: [3000],
  capabilitiesAllowed: ['CHOWN', 'KILL'],
  noNewPrivileges: true,
  seccomp: true,
  codeVolumes: ['/opt/plugins'],
  allowExec: false,
  signals: {
    anonymousCode: 'Allow',
    memfdCode: 'Refuse',
    modifiedCode: 'Refuse',
    foreignScript: 'Refuse',
    tracer: 'Refuse',
    preload: 'Refuse',
  },
  signers: { keys: [{ name: 'release', publicKey: 'PEM' }], identities: [{ issuer: 'https://id', subject: 'me@id' }] },
  commands: [['/app/press', '4']],
  podCommand: pod.commands['main']!,
  pod: { serviceAccount: 'press', owned: true, allowPrivileged: false, allowSharedProcesses: false },
  window: { notBefore: 1000, notAfter: 2000, maxStalenessMs: 60_000 },
};

interface Changes {
  readonly pod?: Partial<PodEvidence>;
  readonly container?: Partial<ContainerEvidence>;
  readonly process?: Partial<ProcessEvidence>;
  readonly policy?: Partial<ModulePolicy>;
  readonly call?: Evidence['call'];
  readonly moment?: Partial<Evidence['moment']>;
  readonly signature?: Evidence['signature'];
}

/** The answer to one sign, all others as they are. */
export function answering(sign: keyof ModulePolicy['signals'], answer: Answer): Partial<ModulePolicy> {
  return { signals: { ...policy.signals, [sign]: answer } };
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
    call: { podUid: POD_UID, ...changes.call },
    signature: { verified: true, message: 'signed by key release', ...changes.signature },
    moment: { now: 1500, staleMs: 0, ...changes.moment },
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
  const privileges = { ...process.privileges, groups: [gid, 103000] };
  return evidence({ process: { uid, gid, privileges, userNamespace: { uids: ids, gids: ids } } });
}

export function processWithout(key: 'containerId' | 'podUid', changes: Partial<ProcessEvidence>): Evidence {
  const rest = Object.fromEntries(
    Object.entries(process).filter(([name]) => name !== key),
  ) as unknown as ProcessEvidence;
  return { ...evidence(), process: { ...rest, ...changes } };
}

export function evidenceOfAnyIds(changes: Partial<ProcessEvidence>): Evidence {
  const { uidAllowed: _uid, gidAllowed: _gid, groupsAllowed: _groups, ...open } = policy;
  return { ...evidence({ process: changes }), modules: [open] };
}

export function withoutPid(): NonNullable<Evidence['container']> {
  const { pid: _pid, ...rest } = evidence().container!;
  return rest;
}

export function withoutCall(): Evidence {
  const { call: _call, ...rest } = evidence();
  return rest;
}

export function entered(argv: readonly string[], changes: Partial<ModulePolicy> = {}, ageSeconds = 100): Evidence {
  return evidence({ process: { lineage: { kind: 'Entered', pid: 50, argv, ageSeconds } }, policy: changes });
}

/** A pod that shares its processes, which its module allows. */
export function sharing(): Evidence {
  return evidence({
    pod: { shareProcessNamespace: true },
    policy: { pod: { ...policy.pod, allowSharedProcesses: true } },
  });
}

/** A selector module's pod. */
export function unowned(): Evidence {
  const { podCommand: _none, ...open } = policy;
  return { ...evidence({ pod: { owners: [] } }), modules: [{ ...open, pod: { ...policy.pod, owned: false } }] };
}
