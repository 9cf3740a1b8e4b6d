// SPDX-License-Identifier: Apache-2.0

/**
 * Where code comes from. `image`: a read-only layer of the container's image. `writable`: the container's writable
 * layer. `foreign`: another mount (volume, tmpfs) or mount namespace. `deleted`: unlinked. `anonymous`: memfd and the
 * like. `node`: of a process of no container, a file of the node that root owns and nobody else may write (`writable`
 * otherwise). `unprovable`: the container's root file system keeps no layers apart, so nothing can be said.
 */
export type CodeOrigin = 'image' | 'writable' | 'foreign' | 'deleted' | 'anonymous' | 'node' | 'unprovable';

/** A file mapped executable by a process, and where it comes from. */
export interface MappingEvidence {
  /** As seen in the container where the file lies in its root file system. */
  readonly path: string;
  readonly origin: CodeOrigin;
  /** What was found, where the origin alone does not say it. */
  readonly detail?: string;
  /** For origin `foreign`: where in the container the mount lies that it was reached through, if it is one of its mounts. */
  readonly mount?: string;
  /** Pages of it that were changed in memory since they were mapped: a debugger or an injector wrote into the code. */
  readonly changedPages?: number;
}

/** What the kernel lets a process do and who watches it, from /proc/<pid>/status. */
export interface Privileges {
  /** Supplementary groups, in the host's namespace. */
  readonly groups: readonly number[];
  /** Capabilities that it has or may take up (permitted set), such as `NET_RAW`; a number where the name is not known. */
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'Off' | 'Strict' | 'Filter';
  /** Host pid of the process that traces it (ptrace); undefined for none. */
  readonly tracer?: number;
}

/**
 * How a process came into its container. `First`: it is what the runtime started. `Descendant`: a child of that.
 * `Entered`: it, or a process that it descends from, was put in from outside (`kubectl exec`, an exec probe, nsenter);
 * pid, command line and age are those of the one that was put in.
 */
export type Lineage =
  | { readonly kind: 'First' | 'Descendant' }
  | {
      readonly kind: 'Entered';
      readonly pid: number;
      readonly argv: readonly string[];
      readonly ageSeconds: number;
    };

/** A line of a uid or gid map: `length` ids from `inside` in the namespace stand for those from `outside` on the host. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly length: number;
}

/** One process, as /proc describes it. Taken while a pidfd of the process was open and alive before and after. */
export interface ProcessEvidence {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat, clock ticks since boot; with the pid names a process uniquely. */
  readonly startTime: string;
  /** Start time, executable and initial stack address: differs after an exec, even of the same program, and once its file is gone. */
  readonly incarnation?: string;
  /** Host pid of the container's first process, with whose namespaces this process was compared. */
  readonly init?: number;
  /** From /proc/<pid>/cgroup only. Undefined where the process is in no container. */
  readonly containerId?: string;
  readonly podUid?: string;
  /** Why `containerId` and `podUid` are undefined. */
  readonly containerProblem?: string;
  /** systemd unit that it is in; undefined for none. A container is in the unit of its runtime's making. */
  readonly unit?: string;
  /** Real, effective, saved and file system ids all equal these, else `mixedIds` is true. In the host's namespace. */
  readonly uid: number;
  readonly gid: number;
  readonly mixedIds: boolean;
  /** Maps of the container's user namespace, not of one that the process made itself. Undefined: the host's. */
  readonly userNamespace?: { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] };
  /** Namespaces that the process made for itself: those in which it differs from the container. */
  readonly ownNamespaces?: readonly ('mount' | 'user')[];
  /** `sha256` is 64 hex digits; empty where it could not be taken, and then `problem` says why. */
  readonly executable: { readonly path: string; readonly sha256: string; readonly problem?: string };
  /** Every executable mapping of a file, the executable itself first. */
  readonly mappings: readonly MappingEvidence[];
  readonly privileges: Privileges;
  readonly lineage: Lineage;
  /** Its command line now. The process can rewrite it: a signal, and no proof. */
  readonly argv: readonly string[];
  /** The file that an interpreter runs as its script; undefined where it runs none. */
  readonly script?: MappingEvidence;
  /** Bytes of executable memory without a file: a just-in-time compiler's, or injected. */
  readonly anonymousCodeBytes: number;
  /** `NAME=value` of the environment variables that make the loader or an interpreter run other code. */
  readonly loaderVariables: readonly string[];
}
