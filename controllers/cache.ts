// SPDX-License-Identifier: Apache-2.0

/** What reconcilers read: a local copy of all objects of a kind, by key (`namespace/name`) and by declared indexes. */
export interface Cache<T> {
  get(key: string): T | undefined;
  list(): readonly T[];
  by(index: string, value: string): readonly T[];
}
