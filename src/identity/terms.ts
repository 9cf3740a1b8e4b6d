// SPDX-License-Identifier: Apache-2.0
import { durationSeconds } from '../api/duration.ts';
import type { ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { IdentityTerms } from '../workload/port.ts';
import { imageDigest, type Holding } from './holding.ts';

/** What an identity grants to the pod that holds it, beside the certificate. Undefined where nothing was judged yet. */
export function identityTerms({ spec, metadata }: ModuleIdentity, holding: Holding): IdentityTerms | undefined {
  const { container, process, namespace, pod, podUid } = holding;
  if (!container) return undefined;
  const { token, federatesWith, moduleRef, notary } = spec;
  return {
    ...(token && { token: { audiences: token.audiences, lifetimeSeconds: durationSeconds(token.duration) } }),
    federatesWith,
    notary: notary ?? { sign: false, encrypt: false, issue: false },
    requester: {
      module: `${namespace}/${moduleRef.name}`,
      identity: metadata.name ?? '',
      pod,
      podUid,
      container: container.id,
      imageDigest: imageDigest(container),
      ...(process && { pid: process.pid }),
    },
  };
}
