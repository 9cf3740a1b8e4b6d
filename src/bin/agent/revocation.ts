// SPDX-License-Identifier: Apache-2.0
import { NodeRevocation } from '../../../controllers/node-revocation.ts';
import type { Controller } from '../../kube/index.ts';
import type { Logger } from '../../log.ts';
import type { RevocationNotary } from '../../notary/revocation-port.ts';
import type { AgentMetrics } from './metrics.ts';

export interface RevocationParts {
  readonly notary: RevocationNotary;
  readonly log: Logger;
  readonly metrics: Pick<AgentMetrics, 'revoked'>;
  readonly controllers: () => Readonly<
    Record<'revocations' | 'device' | 'bundles', Pick<Controller, 'enqueue' | 'enqueueAfter'>>
  >;
  readonly podUids: () => readonly string[];
}

/**
 * Processes that end together, as those of a deployment, are told of together: each change is written to the API server and
 * to every pod. Milliseconds.
 */
const TOGETHER_MS = 500;

/** Revocation, tied to what is told of it. */
export function nodeRevocation({ notary, log, metrics, controllers, podUids }: RevocationParts): NodeRevocation {
  return new NodeRevocation({
    notary,
    podUids,
    enqueue: (key) => controllers().revocations.enqueue(key),
    revoked: (request, { certificates, tokens }) => {
      const { podUid, identity, cause = 'PodGone' } = request ?? {};
      metrics.revoked(cause, { certificates, tokens });
      log.info({ podUid, identity, cause, certificates, tokens }, 'revoked');
    },
    changed: (urgent) => {
      for (const controller of [controllers().device, controllers().bundles]) {
        if (urgent) controller.enqueue('');
        else controller.enqueueAfter('', TOGETHER_MS);
      }
    },
  });
}
