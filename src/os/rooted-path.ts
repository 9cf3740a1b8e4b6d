// SPDX-License-Identifier: Apache-2.0
import { lstatSync, readlinkSync, type BigIntStats } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from './files.ts';

/** As many links as the kernel follows in one path. */
const MAX_LINKS = 40;

/**
 * Finds the real path of `path` (absolute) as a process whose root is `root` would, but as a path of this process:
 * absolute symbolic links and `..` stay within `root`. Undefined where nothing is there or links go round in a circle.
 * For folders that only the host's administrator can change; it is no defence against somebody who swaps links.
 */
export function rootedPath(root: string, path: string): string | undefined {
  const base = root === '/' ? '' : root;
  const pending = path.split('/').reverse();
  let at = '/';
  let links = 0;
  while (pending.length > 0) {
    const next = posix.join(at, pending.pop() ?? '');
    const status = entryAt(base + next);
    if (status === undefined) return undefined;
    if (!status.isSymbolicLink() || next === '/') {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const target = readlinkSync(base + next);
    if (target.startsWith('/')) at = '/';
    pending.push(...target.split('/').reverse());
  }
  return base + at;
}

/** Status of a directory entry itself, not of what a link leads to. Undefined where there is none. */
export function entryAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // Nothing can lie where no path leads.
    if (errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}
