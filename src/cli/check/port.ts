// SPDX-License-Identifier: Apache-2.0
import type { EdgeDevice, ModuleIdentity, TrustBundle } from '../../api/v1alpha1/index.ts';
import type { Pod } from '../../kube/index.ts';
import type { Cluster } from '../port.ts';

/** What a check found about one thing. */
export interface Outcome {
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly message: string;
  /** What to do; there where the level is not ok. */
  readonly remedy?: string;
}

/** What several checks look at, asked for once. */
export interface Installation {
  readonly cluster: Cluster;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly agents: () => Promise<readonly Pod[]>;
  readonly controllers: () => Promise<readonly Pod[]>;
  readonly devices: () => Promise<readonly EdgeDevice[]>;
  readonly identities: () => Promise<readonly ModuleIdentity[]>;
  readonly bundles: () => Promise<readonly TrustBundle[]>;
}

/** One thing that must hold in an installation. */
export interface InstallationCheck {
  /** One word or two, as in the table. */
  readonly name: string;
  /** Without it nothing else can be looked at. */
  readonly vital?: true;
  /** May throw: what cannot be looked at is told as such. */
  readonly run: (installation: Installation) => Promise<readonly Outcome[]>;
}

export const ok = (message: string): Outcome => ({ level: 'ok', message });
export const warn = (message: string, remedy: string): Outcome => ({ level: 'warn', message, remedy });
export const fail = (message: string, remedy: string): Outcome => ({ level: 'fail', message, remedy });

/** The outcomes that are not ok, or one that says that all are. */
export function allOr(problems: readonly Outcome[], message: string): readonly Outcome[] {
  return problems.length > 0 ? problems : [ok(message)];
}
