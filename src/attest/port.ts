// SPDX-License-Identifier: Apache-2.0
import type { PodEvidence } from './pod-evidence.ts';
import type { ModulePolicy } from './policy.ts';
import type { ProcessEvidence } from './process-evidence.ts';

export type * from './pod-evidence.ts';
export type * from './policy.ts';
export type * from './process-evidence.ts';

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
  /** The whole command line that the runtime was told to start; undefined where the runtime does not tell it. */
  readonly argv?: readonly string[];
  /** Entries (`NAME=value`) of its environment that come from the image; undefined where the runtime does not tell. */
  readonly imageEnvironment?: readonly string[];
}

/** A call on a pod's socket. */
export interface CallEvidence {
  /** The pod in whose volume the socket lies. */
  readonly podUid: string;
}

/** What became of the image's signatures under the module's policy. */
export interface SignatureEvidence {
  readonly verified: boolean;
  /** Who signed which digest; or what was found instead. */
  readonly message: string;
}

/** When the evidence was gathered. */
export interface MomentEvidence {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Milliseconds since the API server last answered the watches of pods and modules. */
  readonly staleMs: number;
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
  /** Undefined where the module asks for no signature. */
  readonly signature?: SignatureEvidence;
  /** Undefined where no socket was called. */
  readonly call?: CallEvidence;
  readonly moment?: MomentEvidence;
  /**
   * What was executed in this container from outside, and may have ended; undefined: nothing that is known of. Who was in
   * there can have taken or changed what no measurement sees.
   */
  readonly opened?: string;
}

/** Reasons in the order of the rules that give them; the first rule that fails names the reason. */
export const REASONS = [
  'NodeNotTrusted',
  'CallerGone',
  'ContainerUnknown',
  'SocketNotOwned',
  'UnitMismatch',
  'PodNotBound',
  'ModuleUnknown',
  'ModuleAmbiguous',
  'ImageDigestMismatch',
  'ImageNotSigned',
  'PodNotOwned',
  'CommandNotAllowed',
  'ExecutableNotAllowed',
  'CodeNotFromImage',
  'ProcessTampered',
  'CredentialsMismatch',
  'LineageMismatch',
  'PolicyOutOfTime',
] as const;
export type DenialReason = (typeof REASONS)[number];

/** One row of the table that `decide` walks: which rule, whether it held, and what was expected and found. */
export interface RuleResult {
  readonly rule: string;
  /**
   * `NotReached`: an earlier rule failed. `Skipped`: cannot be judged before the process runs. `Reported`: it would not
   * hold, and the module's `signals` say to report that only.
   */
  readonly outcome: 'Held' | 'Reported' | 'Failed' | 'NotReached' | 'Skipped';
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
