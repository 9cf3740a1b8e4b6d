// SPDX-License-Identifier: Apache-2.0
import { Store, type IndexFunction } from '../../src/kube/store.ts';
import { keyOf, type KubeObject } from '../../src/kube/resource.ts';

/** A cache that a test fills by hand. */
export class FakeCache<T extends KubeObject> extends Store<T> {
  constructor(objects: readonly T[] = [], indexes: Record<string, IndexFunction<T>> = {}) {
    super(indexes);
    for (const object of objects) this.put(object);
  }

  put(object: T): void {
    this.set(keyOf(object), object);
  }

  remove(key: string): void {
    this.set(key, undefined);
  }
}
