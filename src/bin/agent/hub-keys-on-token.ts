// SPDX-License-Identifier: Apache-2.0
import { HubKeysReconciler } from '../../../controllers/hub-keys.ts';
import type { Notary } from '../../notary/port.ts';
import { systemClock } from '../../os/clock.ts';
import type { AgentCaches } from './caches.ts';
import { clusterView } from './cluster-view.ts';
import type { NodePods } from './node-pods.ts';

export interface HubKeysOnTokenParts {
  readonly notary: Pick<Notary, 'hubKeys' | 'destroyHubKey'>;
  readonly caches: AgentCaches;
  readonly pods: NodePods;
  /** Whether the notary has its token open. */
  ready(): boolean;
}

/** The reconciler of the keys that hubs made, tied to the notary and to what the agent knows. */
export function hubKeysOnToken({ notary, caches, pods, ...parts }: HubKeysOnTokenParts): HubKeysReconciler {
  return new HubKeysReconciler({
    ...clusterView(caches, pods),
    clock: systemClock,
    // What a cache was seeded with is older than the keys may be.
    ready: () => parts.ready() && [caches.identities, caches.modules, caches.pods].every(({ hasSynced }) => hasSynced),
    list: () => notary.hubKeys(),
    destroy: (key) => notary.destroyHubKey(key),
    namespaceIdentities: (namespace) => caches.identities.by('namespace', namespace),
  });
}
