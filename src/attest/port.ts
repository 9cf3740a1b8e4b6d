// SPDX-License-Identifier: Apache-2.0

/** A digest as OCI writes it: `sha256:<64 hex>`. */
export type Digest = string;

/** What the runtime runs in a container, as far as its digests tell. Three different values of one image. */
export interface ImageEvidence {
  /** The name under which the runtime knows the image, for messages only. */
  readonly reference: string;
  /** Digest of the OCI index by which it was pulled, if it was an index. */
  readonly index?: Digest;
  /** Digest of this platform's manifest. */
  readonly manifest?: Digest;
  /** Digest of the image configuration; always known. */
  readonly config: Digest;
}

/** One container, as the runtime describes it. */
export interface ContainerEvidence {
  readonly id: string;
  /** Name in the pod spec. */
  readonly name: string;
  readonly podUid: string;
  readonly image: ImageEvidence;
  /** uid and gid that the runtime was told to start it with (in the container's user namespace). */
  readonly uid: number;
  readonly gid: number;
  /** Host pid of the container's first process; undefined before it is created. */
  readonly pid?: number;
}

/**
 * Where code comes from. `image`: a read-only layer of the container's image. `writable`: the container's writable
 * layer. `foreign`: another mount (volume, tmpfs) or mount namespace. `deleted`: unlinked. `anonymous`: memfd and the
 * like. `unprovable`: the container's root file system keeps no layers apart, so nothing can be said.
 */
export type CodeOrigin = 'image' | 'writable' | 'foreign' | 'deleted' | 'anonymous' | 'unprovable';

/** A file mapped executable by a process, and where it comes from. */
export interface MappingEvidence {
  /** As seen in the container where the file lies in its root file system. */
  readonly path: string;
  readonly origin: CodeOrigin;
  /** What was found, where the origin alone does not say it. */
  readonly detail?: string;
}

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
  /** Start time, executable and initial stack address: differs after an exec, even of the same program. */
  readonly incarnation?: string;
  /** Host pid of the container's first process, with whose namespaces this process was compared. */
  readonly init?: number;
  /** From /proc/<pid>/cgroup only. Undefined where the process is in no container. */
  readonly containerId?: string;
  readonly podUid?: string;
  /** Why `containerId` and `podUid` are undefined. */
  readonly containerProblem?: string;
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
}

/** The pod, as the API server (through this node's watch) describes it. */
export interface PodEvidence {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostPID: boolean;
  readonly shareProcessNamespace: boolean;
  readonly deleting: boolean;
  readonly containers: readonly string[];
  readonly initContainers: readonly string[];
  readonly ephemeralContainers: readonly string[];
  /** Names of the containers that mount the identity volume. */
  readonly mounting: readonly string[];
}

/** What an EdgeModule allows, taken from its spec. */
export interface ModulePolicy {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Name of the container that is the module; undefined: the pod's only container or the first. */
  readonly container?: string;
  /** Allowed digests; index, manifest or config digest each will do. Never empty for a valid module. */
  readonly digests: readonly Digest[];
  /** Allowed executables; empty allows any executable of the image. */
  readonly executables: readonly { readonly path?: string; readonly sha256: string }[];
  /** Demand that executable code comes from the image's read-only layers. */
  readonly fromImage: boolean;
  /** uid and gid inside the container; undefined allows any. */
  readonly uidAllowed?: number;
  readonly gidAllowed?: number;
}

/**
 * What the controller has found out about the node's measured boot. Pending: no good quote of this boot yet, nothing
 * against the node either. Refused: a quote proved something else than what is expected, or was not authentic.
 */
export interface NodeIntegrity {
  readonly standing: 'Verified' | 'Pending' | 'Refused';
  /** Reason and message of the condition IntegrityVerified. */
  readonly message: string;
}

/** Everything that `decide` looks at. A part that could not be had is undefined, and the rule that needs it fails. */
export interface Evidence {
  readonly node: string;
  /** Undefined where measured boot is not enforced. */
  readonly integrity?: NodeIntegrity;
  readonly pod?: PodEvidence;
  readonly container?: ContainerEvidence;
  /** Undefined before the process has executed its program (`phase` Starting). */
  readonly process?: ProcessEvidence;
  /** All modules whose template or selector matches the pod. */
  readonly modules: readonly ModulePolicy[];
  /** Starting: the runtime holds the start; image, configuration and pod are judged, the process not yet. */
  readonly phase: 'Starting' | 'Running';
}

/** Reasons in the order of the rules that give them; the first rule that fails names the reason. */
export const REASONS = [
  'NodeNotTrusted',
  'ContainerUnknown',
  'PodNotBound',
  'ModuleUnknown',
  'ModuleAmbiguous',
  'ImageDigestMismatch',
  'ExecutableNotAllowed',
  'CodeNotFromImage',
  'CredentialsMismatch',
] as const;
export type DenialReason = (typeof REASONS)[number];

/** One row of the table that `decide` walks: which rule, whether it held, and what was expected and found. */
export interface RuleResult {
  readonly rule: string;
  /** `NotReached`: an earlier rule failed. `Skipped`: cannot be judged before the process runs. */
  readonly outcome: 'Held' | 'Failed' | 'NotReached' | 'Skipped';
  readonly message: string;
}

export type Verdict =
  | { readonly allowed: true; readonly module: ModulePolicy; readonly table: readonly RuleResult[] }
  | {
      readonly allowed: false;
      readonly reason: DenialReason;
      readonly message: string;
      readonly table: readonly RuleResult[];
    };
