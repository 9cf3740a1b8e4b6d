// SPDX-License-Identifier: Apache-2.0

/** Hierarchies that systemd keeps its units in: the unified one, and on cgroup v1 its own. */
const HIERARCHY = /^\d+:(?:name=systemd)?:(\/.*)$/gm;

/**
 * The systemd unit that a process is in, from the text of /proc/<pid>/cgroup: the first part of its path that is no slice.
 * Below that the unit itself, a user or a container may have made cgroups of any name, above it nobody but systemd can: a
 * service of a user's own manager is in the unit `user@<uid>.service`, a process in a container in that of its container.
 * Undefined where the process is in no unit, or where two hierarchies name different ones. A reader in a cgroup namespace
 * of its own sees paths that start with `/..`; those are understood too.
 */
export function unitOf(text: string): string | undefined {
  const paths = [...text.matchAll(HIERARCHY)].map(([, path]) => path ?? '');
  const units = new Set(paths.flatMap((path) => unitIn(path) ?? []));
  return units.size === 1 ? [...units][0] : undefined;
}

function unitIn(path: string): string | undefined {
  return path.split('/').find((part) => part !== '' && part !== '..' && !part.endsWith('.slice'));
}
