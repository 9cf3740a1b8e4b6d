// SPDX-License-Identifier: Apache-2.0

/** Finds the values under which an object stands in an index. */
export type IndexFunction<C> = (object: C) => readonly string[];

/** Objects by key, with named indexes kept up to date. */
export class Store<C> {
  readonly #objects = new Map<string, C>();
  readonly #indexes = new Map<string, { readonly of: IndexFunction<C>; readonly keys: Map<string, Set<string>> }>();

  constructor(indexes: Readonly<Record<string, IndexFunction<C>>> = {}) {
    for (const [name, of] of Object.entries(indexes)) this.#indexes.set(name, { of, keys: new Map() });
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): C | undefined {
    return this.#objects.get(key);
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  list(): C[] {
    return [...this.#objects.values()];
  }

  /** All objects that stand under `value` in the named index. Throws for an index that was not declared. */
  by(index: string, value: string): C[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`no index "${index}" was declared`);
    const objects: C[] = [];
    for (const key of found.keys.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) objects.push(object);
    }
    return objects;
  }

  /** Puts an object in, or out where it is undefined; gives what stood there before. */
  set(key: string, object: C | undefined): C | undefined {
    const previous = this.#objects.get(key);
    for (const { of, keys } of this.#indexes.values()) {
      if (previous !== undefined) for (const value of of(previous)) remove(keys, value, key);
      if (object !== undefined) for (const value of of(object)) insert(keys, value, key);
    }
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    return previous;
  }
}

function insert(keys: Map<string, Set<string>>, value: string, key: string): void {
  const set = keys.get(value);
  if (set) set.add(key);
  else keys.set(value, new Set([key]));
}

function remove(keys: Map<string, Set<string>>, value: string, key: string): void {
  const set = keys.get(value);
  set?.delete(key);
  if (set?.size === 0) keys.delete(value);
}
