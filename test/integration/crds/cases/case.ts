// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../merge-patch.ts';

/** A valid example made invalid, or changed in a way that is not allowed, by a merge patch. */
export interface InvalidCase {
  readonly name: string;
  /** Name of the valid example that it starts from. */
  readonly example: string;
  readonly patch: JsonObject;
  /** What the API server's message must hold. */
  readonly message: string;
}

/** The cases of one example, without repeating its name. */
export function casesOf(
  example: string,
  rows: readonly (readonly [name: string, patch: JsonObject, message: string])[],
): readonly InvalidCase[] {
  return rows.map(([name, patch, message]) => ({ name, example, patch, message }));
}

export const DIGEST = `sha256:${'1'.repeat(64)}`;
