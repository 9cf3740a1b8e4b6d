// SPDX-License-Identifier: Apache-2.0

/*
 * Which reconciler looks after which kind, in which process, and what it needs to be allowed. The chart's roles grant
 * exactly the union of these rows and of `RUNTIME` for each process; a test compares them.
 */

/** A rule as RBAC writes it. Never with a wildcard. */
export interface Rule {
  readonly apiGroup: string;
  readonly resources: readonly string[];
  readonly verbs: readonly Verb[];
  readonly resourceNames?: readonly string[];
  /** Granted in the namespace of the release alone. */
  readonly releaseNamespace?: true;
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'patch' | 'delete' | 'attest';

export type Process = 'controller' | 'agent';

export interface Row {
  /** What its keys name. */
  readonly kind: string;
  readonly reconciler: string;
  readonly process: Process;
  readonly rules: readonly Rule[];
}

const CACHED = ['list', 'watch'] as const;
const KEYSTEAD = 'keystead.dev';
const read = (apiGroup: string, ...resources: string[]): Rule => ({ apiGroup, resources, verbs: CACHED });
const writeStatus = (resource: string): Rule => ({
  apiGroup: KEYSTEAD,
  resources: [`${resource}/status`],
  verbs: ['patch'],
});

/** What every process needs besides its reconcilers. Events are written in the objects' own namespaces. */
export const RUNTIME: Readonly<Record<Process, readonly Rule[]>> = {
  controller: [
    { apiGroup: 'events.k8s.io', resources: ['events'], verbs: ['create', 'patch'] },
    {
      apiGroup: 'coordination.k8s.io',
      resources: ['leases'],
      verbs: ['get', 'create', 'patch'],
      releaseNamespace: true,
    },
  ],
  agent: [{ apiGroup: 'events.k8s.io', resources: ['events'], verbs: ['create', 'patch'] }],
};

export const CONTROLLERS: readonly Row[] = [
  {
    kind: 'EdgeModule',
    reconciler: 'edge-module.ts',
    process: 'controller',
    rules: [
      read(KEYSTEAD, 'edgemodules', 'moduleidentities', 'edgedevices'),
      writeStatus('edgemodules'),
      read('', 'pods'),
      // Server-side apply asks for create as well where the object is new.
      { apiGroup: 'apps', resources: ['deployments', 'daemonsets'], verbs: [...CACHED, 'create', 'patch'] },
      { apiGroup: 'apps', resources: ['daemonsets'], verbs: ['delete'] },
    ],
  },
  {
    kind: 'ModuleIdentity',
    reconciler: 'module-identity.ts',
    process: 'controller',
    rules: [
      read(KEYSTEAD, 'moduleidentities', 'edgemodules', 'edgedevices', 'trustbundles'),
      writeStatus('moduleidentities'),
      read('', 'pods', 'nodes'),
      // Neither list nor watch: it looks at the Secrets that identities name, in spec or status, and at their metadata only.
      { apiGroup: '', resources: ['secrets'], verbs: ['get', 'create', 'patch', 'delete'] },
    ],
  },
  {
    kind: 'TrustBundle',
    reconciler: 'trust-bundle.ts',
    process: 'controller',
    rules: [
      read(KEYSTEAD, 'trustbundles', 'edgedevices'),
      writeStatus('trustbundles'),
      read('', 'namespaces'),
      { apiGroup: '', resources: ['configmaps'], verbs: ['get', ...CACHED, 'create', 'patch', 'delete'] },
      { apiGroup: 'certificates.k8s.io', resources: ['clustertrustbundles'], verbs: ['create', 'patch', 'delete'] },
      // The API server asks for it before it lets anybody write a ClusterTrustBundle of the signer.
      {
        apiGroup: 'certificates.k8s.io',
        resources: ['signers'],
        resourceNames: ['keystead.dev/identity'],
        verbs: ['attest'],
      },
    ],
  },
  {
    kind: 'TrustBundle',
    reconciler: 'default-trust-bundle.ts',
    process: 'controller',
    rules: [{ apiGroup: KEYSTEAD, resources: ['trustbundles'], verbs: [...CACHED, 'create'] }],
  },
  {
    kind: 'EdgeDevice',
    reconciler: 'device-integrity.ts',
    process: 'controller',
    rules: [read(KEYSTEAD, 'edgedevices'), writeStatus('edgedevices')],
  },
  {
    kind: 'Node',
    reconciler: 'edge-device.ts',
    process: 'controller',
    rules: [read('', 'nodes'), { apiGroup: KEYSTEAD, resources: ['edgedevices'], verbs: [...CACHED, 'create'] }],
  },
  {
    kind: 'Pod',
    reconciler: 'pod-identity.ts',
    process: 'agent',
    rules: [
      read(KEYSTEAD, 'edgedevices', 'edgemodules', 'moduleidentities', 'trustbundles'),
      // delete: onViolation Evict.
      { apiGroup: '', resources: ['pods'], verbs: [...CACHED, 'delete'] },
      // By them a pod leads to its EdgeModule.
      { apiGroup: 'apps', resources: ['replicasets', 'deployments', 'daemonsets'], verbs: ['get'] },
    ],
  },
  {
    kind: 'Pod',
    reconciler: 'pod-gate.ts',
    process: 'agent',
    rules: [read('', 'pods'), { apiGroup: '', resources: ['pods/status'], verbs: ['patch'] }],
  },
  {
    kind: 'Secret',
    reconciler: 'identity-secret.ts',
    process: 'agent',
    rules: [
      { apiGroup: '', resources: ['secrets'], verbs: ['patch'] },
      // The annotation that makes the kubelet write the pod's Secret volumes anew.
      { apiGroup: '', resources: ['pods'], verbs: ['patch'] },
    ],
  },
  {
    kind: 'ModuleIdentity',
    reconciler: 'holder-status.ts',
    process: 'agent',
    rules: [read(KEYSTEAD, 'moduleidentities'), writeStatus('moduleidentities')],
  },
  {
    kind: 'EdgeDevice',
    reconciler: 'node-device.ts',
    process: 'agent',
    rules: [read(KEYSTEAD, 'edgedevices'), writeStatus('edgedevices')],
  },
];

/** All that a process must be allowed, as `group/resource` (with `#name` where restricted) to its verbs. */
export function permissions(process: Process): ReadonlyMap<string, ReadonlySet<Verb>> {
  const rules = [
    ...RUNTIME[process],
    ...CONTROLLERS.filter((row) => row.process === process).flatMap((row) => row.rules),
  ];
  const granted = new Map<string, Set<Verb>>();
  for (const { apiGroup, resources, verbs, resourceNames = [''] } of rules) {
    for (const name of resourceNames) {
      for (const resource of resources) {
        const key = `${apiGroup}/${resource}${name === '' ? '' : `#${name}`}`;
        granted.set(key, new Set([...(granted.get(key) ?? []), ...verbs]));
      }
    }
  }
  return granted;
}
