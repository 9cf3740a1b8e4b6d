// SPDX-License-Identifier: Apache-2.0
import { readlinkSync } from 'node:fs';
import { parseIdMap } from '../os/proc-format.ts';
import { readProc, readProcLink } from '../os/proc.ts';
import type { ProcessEvidence } from './port.ts';

/** The kubelet gives a pod at least so many ids; an unprivileged process can give itself a map of one id only. */
const POD_ID_RANGE = 65536;

/**
 * Compares the namespaces of a process with those of its container's first process, and takes the container's id maps.
 * The maps of the process itself are not used: in a user namespace that it made it may call itself any id.
 * Throws ProcessGone.
 */
export function namespacesOf(pid: number, init: number): Pick<ProcessEvidence, 'userNamespace' | 'ownNamespaces'> {
  const own = new Set<'mount' | 'user'>();
  if (readProcLink(pid, 'ns/mnt') !== readProcLink(init, 'ns/mnt')) own.add('mount');
  const containers = readProcLink(init, 'ns/user');
  if (readProcLink(pid, 'ns/user') !== containers) own.add('user');
  if (containers === readlinkSync('/proc/self/ns/user')) return { ownNamespaces: [...own] };

  const uids = parseIdMap(readProc(init, 'uid_map'));
  const gids = parseIdMap(readProc(init, 'gid_map'));
  // The first process of a container without user namespace may have made one as well.
  if ([uids, gids].some((map) => map.every((range) => range.length < POD_ID_RANGE))) own.add('user');
  return { ownNamespaces: [...own], userNamespace: { uids, gids } };
}
