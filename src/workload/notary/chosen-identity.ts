// SPDX-License-Identifier: Apache-2.0
import { KeysteadError } from '../../errors.ts';
import type { ServedIdentity } from '../port.ts';
import { currentLeaves, type Leaf } from '../spiffe/leaf.ts';

export interface IdentityChoice {
  readonly served: readonly ServedIdentity[];
  /** As the request names it; empty for the default one. */
  readonly name: string;
  /** Identity of the socket's own volume. */
  readonly first: string | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The identity that a request is for: the one that it names, else that of the socket's volume, else the only one.
 * @throws KeysteadError `PermissionDenied` where the caller does not hold it, `InvalidRequest` where none is named and
 *   there are several, `Unavailable` where it has expired.
 */
export function chosenIdentity({ served, name, first, now }: IdentityChoice): Leaf {
  const names = served.map(({ identity }) => identity);
  const wanted = name || (first ?? (names.length === 1 ? names[0] : undefined));
  if (wanted === undefined) {
    throw new KeysteadError('InvalidRequest', `identity: expected one of ${names.join(', ')}, found none`);
  }
  const found = served.filter(({ identity }) => identity === wanted);
  const [leaf] = found.length > 0 ? currentLeaves(found, undefined, now) : [];
  if (leaf) return leaf;
  const shown = JSON.stringify(wanted.slice(0, 128));
  throw new KeysteadError('PermissionDenied', `IdentityNotHeld: expected one of ${names.join(', ')}, found ${shown}`);
}
