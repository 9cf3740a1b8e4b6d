// SPDX-License-Identifier: Apache-2.0

import type { ObjectMeta } from '../api/object-meta.ts';

export type { ObjectMeta, OwnerReference } from '../api/object-meta.ts';

/** Any API object, as JSON. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
}

/** Where objects of one kind live in the API. `T` is their type; it exists for the compiler only. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly ofType?: T;
}

/** Names one object; `namespace` is left out for cluster-scoped kinds. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** Describes a kind in one line: `resource<Pod>('', 'v1', 'pods', 'Pod')`. */
export function resource<T extends KubeObject>(
  group: string,
  version: string,
  [plural, kind]: readonly [plural: string, kind: string],
  scope: 'Namespaced' | 'Cluster' = 'Namespaced',
): Resource<T> {
  return { group, version, plural, kind, namespaced: scope === 'Namespaced' };
}

/** `group/version`, or `v1` for the core group. */
export function apiVersionOf(of: Resource): string {
  return of.group === '' ? of.version : `${of.group}/${of.version}`;
}

/** Path of the collection: all namespaces of a namespaced kind where `namespace` is left out. */
export function collectionPath(of: Resource, namespace?: string): string {
  const root = of.group === '' ? `/api/${of.version}` : `/apis/${of.group}/${of.version}`;
  const scope = of.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${of.plural}`;
}

/** Path of one object, or of its subresource. */
export function objectPath(of: Resource, { namespace, name }: ObjectName, subresource?: string): string {
  const path = `${collectionPath(of, namespace)}/${encodeURIComponent(name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** The key of an object in caches and queues: `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** The opposite of `keyOf`. */
export function nameOf(key: string): ObjectName {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
