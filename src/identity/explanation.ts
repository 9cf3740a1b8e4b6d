// SPDX-License-Identifier: Apache-2.0
import type { ImageEvidence, RuleResult } from '../attest/port.ts';
import { timestamp, type Holding } from './holding.ts';

/** Why a pod has its identity or not, as the agent of its node tells it. Holds no secret. */
export interface Explanation {
  readonly node: string;
  readonly pod: string;
  readonly podUid: string;
  readonly verdict: Holding['verdict'];
  readonly reason?: string;
  readonly message?: string;
  /** Since when the verdict is this one, and when it was last looked at. RFC 3339. */
  readonly since: string;
  readonly judgedAt?: string;
  readonly table: readonly RuleResult[];
  readonly evidence: {
    readonly container?: { readonly name: string; readonly id: string; readonly image: ImageEvidence };
    readonly process?: {
      readonly pid: number;
      readonly executable: { readonly path: string; readonly sha256: string };
    };
  };
  /** By ModuleIdentity: what was issued, or why it was not. */
  readonly identities: readonly ExplainedIdentity[];
}

export interface ExplainedIdentity {
  readonly name: string;
  readonly serial?: string;
  readonly notAfter?: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Field by field, so that what is added to a holding is not told by mistake. */
export function explanationOf(holding: Holding, node: string): Explanation {
  const { namespace, pod, podUid, verdict, refusal, since, judgedAt, table = [], container, process } = holding;
  return {
    node,
    pod: `${namespace}/${pod}`,
    podUid,
    verdict,
    ...(refusal && { reason: refusal.reason, message: refusal.message }),
    since: timestamp(since),
    ...(judgedAt !== undefined && { judgedAt: timestamp(judgedAt) }),
    table,
    evidence: {
      ...(container && { container: { name: container.name, id: container.id, image: container.image } }),
      ...(process && {
        process: {
          pid: process.pid,
          executable: { path: process.executable.path, sha256: process.executable.sha256 },
        },
      }),
    },
    identities: holding.identities.map((name) => explainedIdentity(holding, name)),
  };
}

function explainedIdentity({ issued, refused }: Holding, name: string): ExplainedIdentity {
  const certificate = issued.get(name);
  const refusal = refused.get(name);
  return {
    name,
    ...(certificate && { serial: certificate.serial, notAfter: timestamp(certificate.notAfter) }),
    ...(refusal && { reason: refusal.reason, message: refusal.message }),
  };
}
