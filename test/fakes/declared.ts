// SPDX-License-Identifier: Apache-2.0
import type { Pod } from '../../src/api/pod.ts';
import type { EdgeModule, EdgeModuleSpec, ModuleIdentity, ModuleIdentitySpec } from '../../src/api/v1alpha1/index.ts';
import type { KubeObject } from '../../src/kube/resource.ts';

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const IMAGE = `registry.example.org/app@${DIGEST}`;

/** What the API server fills in for `spec.process`. */
export const PROCESS: EdgeModuleSpec['process'] = {
  executables: [],
  fromImage: true,
  noNewPrivileges: false,
  seccomp: false,
  codeVolumes: [],
  allowExec: false,
  signals: {
    anonymousCode: 'Allow',
    memfdCode: 'Refuse',
    modifiedCode: 'Refuse',
    foreignScript: 'Refuse',
    tracer: 'Refuse',
    preload: 'Refuse',
  },
};

type Meta = NonNullable<EdgeModule['metadata']>;

/** A template module as the API server gives it back: defaults filled in. */
export function aModule(name: string, spec: Partial<EdgeModuleSpec> = {}, metadata: Partial<Meta> = {}): EdgeModule {
  return {
    apiVersion: 'keystead.dev/v1alpha1',
    kind: 'EdgeModule',
    metadata: { namespace: 'ns', name, uid: `uid-${name}`, generation: 1, resourceVersion: '1', ...metadata },
    spec: {
      template: { kind: 'Deployment', replicas: 1, pod: { spec: { containers: [{ name: 'main', image: IMAGE }] } } },
      images: [],
      process: PROCESS,
      pod: { allowPrivileged: false, allowSharedProcessNamespace: false },
      remeasureInterval: '30s',
      onViolation: 'Revoke',
      startPolicy: 'Wait',
      desiredState: 'Running',
      startupOrder: 0,
      ...spec,
    },
  };
}

/** A selector module. */
export function aSelector(name: string, matchLabels: Record<string, string>): EdgeModule {
  const { template: _, ...spec } = aModule(name).spec;
  return { ...aModule(name), spec: { ...spec, selector: { matchLabels } } };
}

/** A module of the host, on every node. */
export function aHostModule(name: string, host: Partial<EdgeModuleSpec['host'] & object> = {}): EdgeModule {
  const { template: _, ...spec } = aModule(name).spec;
  const executables = [{ path: '/usr/bin/updater', sha256: 'e'.repeat(64) }];
  const process = { ...PROCESS, executables, uid: 990 };
  return {
    ...aModule(name),
    spec: { ...spec, process, host: { unit: 'updater.service', deviceSelector: {}, ...host } },
  };
}

export function anIdentity(
  name: string,
  spec: Partial<ModuleIdentitySpec> = {},
  metadata: Partial<Meta> = {},
): ModuleIdentity {
  return {
    apiVersion: 'keystead.dev/v1alpha1',
    kind: 'ModuleIdentity',
    metadata: {
      namespace: 'ns',
      name,
      uid: `uid-${name}`,
      generation: 1,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...metadata,
    },
    spec: {
      moduleRef: { name: 'web' },
      x509: { duration: '1h', renewAtPercent: 50, dnsNames: [] },
      key: { residency: 'Memory' },
      federatesWith: [],
      delivery: ['Volume'],
      ...spec,
    },
  };
}

export function aPod(
  name: string,
  labels: Record<string, string>,
  conditions: Record<string, string> = {},
): Pod & KubeObject {
  return {
    metadata: { namespace: 'ns', name, uid: `uid-${name}`, labels, resourceVersion: '1' },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) },
  };
}
