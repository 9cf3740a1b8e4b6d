// SPDX-License-Identifier: Apache-2.0
import { parseMount } from '../os/mountinfo.ts';
import { readProc } from '../os/proc.ts';
import type { CodeFile } from './code-origin.ts';
import type { MappingEvidence } from './port.ts';

/**
 * Makes evidence of files, and names of those on other mounts the mount point in the container whose first process is
 * `init`. The mounts are read once, and only where a file asks for it. What it gives throws ProcessGone.
 */
export function mountPoints(init: number): (file: CodeFile) => MappingEvidence {
  let points: ReadonlyMap<number, string> | undefined;
  return ({ path, origin, detail, changedPages, status, mount: known }) => {
    const asked = origin === 'foreign' ? status?.mountId : undefined;
    const mount = asked === undefined ? known : (points ??= read(init)).get(asked);
    return {
      path,
      origin,
      ...(detail !== undefined && { detail }),
      ...(mount !== undefined && { mount }),
      ...(changedPages !== undefined && { changedPages }),
    };
  };
}

function read(init: number): ReadonlyMap<number, string> {
  const mounts = readProc(init, 'mountinfo').split('\n').map(parseMount);
  return new Map(mounts.flatMap((mount) => (mount === undefined ? [] : [[mount.id, mount.mountPoint]])));
}
