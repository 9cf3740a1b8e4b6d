// SPDX-License-Identifier: Apache-2.0

/** The container that a process belongs to, or why none can be named. */
export type CgroupOrigin =
  { readonly podUid: string; readonly containerId: string } | { readonly problem: string; readonly podUid?: never };

/** The cgroup below which the kubelet puts all pods, and kind's name for it. */
const KUBEPODS = /^(?:kubelet-)?kubepods(?:\.slice)?$/;
const QOS = /^(?:besteffort|burstable|(?:kubelet-)?kubepods-(?:besteffort|burstable)\.slice)$/;
/** `pod<uid>` (cgroupfs) or `kubepods-<qos>-pod<uid>.slice` (systemd, `_` for `-`). A static pod's uid is 32 hex digits. */
const POD = /^(?:[a-z]+-)*pod([0-9a-f]{32}|[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?$/;
/** `<id>` (cgroupfs), `cri-containerd-<id>.scope`, `crio-<id>.scope`, `docker-<id>.scope` (systemd); not `crio-conmon-`. */
const CONTAINER = /^(?:([0-9a-f]{64})|(?:cri-containerd|crio|docker)-([0-9a-f]{64})\.scope)$/;

/**
 * Finds pod uid and container id in the text of /proc/<pid>/cgroup: cgroup v1 (a line for each hierarchy), v2 (one
 * line) and both; cgroupfs and systemd drivers; names of containerd, CRI-O and Docker. `root` is the cgroup in which the
 * node's `kubepods` lies, see `kubepodsRoot`. A reader in a cgroup namespace of its own sees paths that start with
 * `/..`, those are understood too.
 *
 * The kernel writes this file; a module can add to its own path only at the end (where it may create cgroups), a user
 * of the host only below a cgroup delegated to him. So `kubepods` is expected at `root` and nowhere else, and a path or
 * a file that names two pods or two containers is refused rather than read in one of two ways.
 */
export function parseCgroup(text: string, root = ''): CgroupOrigin {
  const paths = [...text.matchAll(/^\d+:[^:]*:(\/.*)$/gm)].map(([, path]) => path ?? '');
  const found = new Map<string, CgroupOrigin>();
  for (const path of new Set(paths)) {
    const origin = originOf(path, root);
    if (origin === undefined) continue;
    if ('problem' in origin) return origin;
    found.set(`${origin.podUid}/${origin.containerId}`, origin);
  }
  const [origin] = found.values();
  if (found.size > 1) return { problem: `its cgroups name more than one container: ${[...found.keys()].join(', ')}` };
  return origin ?? { problem: `it is in no container of a pod (cgroup ${paths.at(-1) ?? 'unknown'})` };
}

/**
 * The cgroup that holds this node's `kubepods`, taken from the text of /proc/self/cgroup of a program that is itself in
 * a pod: empty at the root, `/k3s` and the like where the kubelet was told so, empty too outside of a pod.
 */
export function kubepodsRoot(own: string): string {
  return /^\d+:[^:]*:((?:\/[^/\n]+)*?)\/(?:kubelet-)?kubepods(?:\.slice)?\/.*$/m.exec(own)?.[1] ?? '';
}

/** Undefined: not below kubepods, which says nothing on cgroup v1, where not every hierarchy is used. */
function originOf(path: string, root: string): CgroupOrigin | undefined {
  const below = belowKubepods(path, root);
  if (below === undefined) return undefined;
  const [pod = '', container = '', ...rest] = QOS.test(below[0] ?? '') ? below.slice(1) : below;
  const podUid = podOf(pod);
  const containerId = containerOf(container);
  if (podUid === undefined || containerId === undefined) return { problem: `its cgroup names no container: ${path}` };
  if (rest.some((segment) => namesAnother(segment, podUid, containerId))) {
    return { problem: `its cgroup names more than one container: ${path}` };
  }
  return { podUid, containerId };
}

/** Segments of the path after `kubepods`; undefined where it does not lie below. */
function belowKubepods(path: string, root: string): string[] | undefined {
  if (path.startsWith('/../')) {
    // Relative to the reader's own cgroup, which lies below kubepods itself: kubepods may be above the common part.
    const segments = path.split('/').filter((segment) => segment !== '' && segment !== '..');
    const [first = ''] = segments;
    if (KUBEPODS.test(first)) return segments.slice(1);
    return QOS.test(first) || POD.test(first) ? segments : undefined;
  }
  if (!path.startsWith(`${root}/`)) return undefined;
  const [first = '', ...rest] = path.slice(root.length + 1).split('/');
  return KUBEPODS.test(first) ? rest : undefined;
}

function namesAnother(segment: string, podUid: string, containerId: string): boolean {
  if (KUBEPODS.test(segment)) return true;
  const pod = podOf(segment);
  const id = /[0-9a-f]{64}/.exec(segment)?.[0];
  return (pod !== undefined && pod !== podUid) || (id !== undefined && id !== containerId);
}

function podOf(segment: string): string | undefined {
  return POD.exec(segment)?.[1]?.replaceAll('_', '-');
}

function containerOf(segment: string): string | undefined {
  const [, plain, scoped] = CONTAINER.exec(segment) ?? [];
  return plain ?? scoped;
}
