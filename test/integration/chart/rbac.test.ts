// SPDX-License-Identifier: Apache-2.0
import { beforeAll, describe, expect, it } from '@jest/globals';
import { CONTROLLERS, permissions, RUNTIME, type Process, type Rule as Declared } from '../../../controllers/index.ts';
import { only, render, type Rendered } from './helm.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const rulesOf = (role: Rendered) => role['rules'] as readonly Rule[];

/** `group/resource`, with `#name` where restricted, to sorted verbs. */
function grants(rules: readonly Rule[]): Record<string, string[]> {
  const granted = new Map<string, Set<string>>();
  for (const { apiGroups, resources, verbs, resourceNames = [''] } of rules) {
    const keys = apiGroups.flatMap((group) =>
      resources.flatMap((resource) => resourceNames.map((name) => `${group}/${resource}${name && `#${name}`}`)),
    );
    for (const key of keys) granted.set(key, new Set([...(granted.get(key) ?? []), ...verbs]));
  }
  return sorted(granted);
}

function sorted(granted: ReadonlyMap<string, ReadonlySet<string>>): Record<string, string[]> {
  return Object.fromEntries([...granted].map(([key, verbs]) => [key, [...verbs].sort()]));
}

describe('RBAC', () => {
  let objects: Rendered[];
  beforeAll(async () => {
    objects = await render();
  });

  it.each<Process>(['agent', 'controller'])('grants the %s exactly what its reconcilers need', (process) => {
    const roles = objects.filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name === `keystead-${process}`);
    expect(grants(roles.flatMap(rulesOf))).toEqual(sorted(permissions(process)));
  });

  it('grants in the namespace of the release alone what is needed there alone', () => {
    const declared: readonly Declared[] = [...RUNTIME.controller, ...CONTROLLERS.flatMap(({ rules }) => rules)];
    const local = declared.filter(({ releaseNamespace }) => releaseNamespace).flatMap(({ resources }) => resources);
    const role = only(objects, 'Role', 'keystead-controller');
    expect(rulesOf(role).flatMap(({ resources }) => resources)).toEqual(local);
    const wide = rulesOf(only(objects, 'ClusterRole', 'keystead-controller')).flatMap(({ resources }) => resources);
    expect(wide.filter((resource) => local.includes(resource))).toEqual([]);
  });

  it('binds each role to its own service account', () => {
    const bindings = objects.filter(({ kind }) => /RoleBinding$/.test(kind)) as unknown as {
      roleRef: { name: string };
      subjects: { kind: string; name: string; namespace: string }[];
    }[];
    for (const { roleRef, subjects } of bindings) {
      expect(subjects).toEqual([{ kind: 'ServiceAccount', name: roleRef.name, namespace: 'system' }]);
    }
  });
});
