// SPDX-License-Identifier: Apache-2.0
import type { PodCommand } from './pod-evidence.ts';
import type { Digest } from './port.ts';

/** What an EdgeModule allows, taken from its spec. */
export interface ModulePolicy {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Name of the container that is the module; undefined: the pod's only container or the first. */
  readonly container?: string;
  /** Allowed digests; index, manifest or config digest each will do. Never empty for a valid module. */
  readonly digests: readonly Digest[];
  /** Who must have signed the image; undefined asks for no signature. */
  readonly signers?: Signers;
  /** Allowed executables; empty allows any executable of the image. */
  readonly executables: readonly { readonly path?: string; readonly sha256: string }[];
  /** Demand that executable code comes from the image's read-only layers. */
  readonly fromImage: boolean;
  /** uid and gid inside the container; undefined allows any. */
  readonly uidAllowed?: number;
  readonly gidAllowed?: number;
  /** Supplementary groups inside the container beside the gid; undefined allows any. */
  readonly groupsAllowed?: readonly number[];
  /** Capabilities that the process may have, such as `NET_RAW`; undefined allows any. */
  readonly capabilitiesAllowed?: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: boolean;
  /** Folders of the container where volumes are mounted from which code may come too. */
  readonly codeVolumes: readonly string[];
  /** Whether processes may be put into the container from outside. */
  readonly allowExec: boolean;
  readonly signals: Signals;
  /** Whole command lines that the container may be started with; undefined allows any, but see `podCommand`. */
  readonly commands?: readonly (readonly string[])[];
  /** What the module's template says, which its pods must say too; undefined for modules that others deploy. */
  readonly podCommand?: PodCommand;
  readonly pod: PodPolicy;
  /** Set for a service of the node itself; undefined for a module in pods. */
  readonly host?: HostPolicy;
  readonly window: PolicyTimes;
}

/** Whose signatures count for an image. One of them is enough. */
export interface Signers {
  /** Keys that sign without certificate, as `cosign sign --key` does: SubjectPublicKeyInfo, PEM. */
  readonly keys: readonly { readonly name: string; readonly publicKey: string }[];
  /** Signers with short-lived certificates of a Sigstore instance ("keyless"): who vouched for whom, both exact. */
  readonly identities: readonly { readonly issuer: string; readonly subject: string }[];
}

/** What to do about a sign that can be harmless: deny, hold and say so, or nothing. */
export type Answer = 'Refuse' | 'Report' | 'Allow';

export interface Signals {
  /** Executable memory without a file; just-in-time compilers use it. */
  readonly anonymousCode: Answer;
  /** Executable memory of a nameless file; .NET uses it. */
  readonly memfdCode: Answer;
  /** Code that was changed in memory. */
  readonly modifiedCode: Answer;
  /** A script that is not of the image. */
  readonly foreignScript: Answer;
  /** A debugger. */
  readonly tracer: Answer;
  /** LD_PRELOAD and the like. */
  readonly preload: Answer;
}

export interface HostPolicy {
  /** Full name of the systemd unit. */
  readonly unit: string;
}

export interface PodPolicy {
  /** Undefined allows any. */
  readonly serviceAccount?: string;
  /** The module's uid must be at the end of the pod's chain of owners. */
  readonly owned: boolean;
  readonly allowPrivileged: boolean;
  readonly allowSharedProcesses: boolean;
}

/** When a policy counts. Times in milliseconds since the Unix epoch. */
export interface PolicyTimes {
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** For how long the API server may have been out of reach; undefined: any time. Milliseconds. */
  readonly maxStalenessMs?: number;
}
