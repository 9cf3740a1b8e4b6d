// SPDX-License-Identifier: Apache-2.0
import { ModuleKeysReconciler } from '../../../controllers/module-keys.ts';
import type { Holding } from '../../identity/holding.ts';
import type { ModuleKeyName } from '../../notary/key-port.ts';
import type { Notary } from '../../notary/port.ts';
import { systemClock } from '../../os/clock.ts';
import type { AgentCaches } from './caches.ts';
import type { NodePods } from './node-pods.ts';

export interface KeysOnTokenParts {
  readonly notary: Pick<Notary, 'moduleKeys' | 'destroyKey'>;
  readonly caches: Pick<AgentCaches, 'identities'>;
  readonly pods: Pick<NodePods, 'of'>;
  holdings(): Iterable<Holding>;
  ready(): boolean;
  /** Has a pod looked at again. */
  enqueue(podUid: string): void;
}

/** The reconciler of the module keys on the token, tied to the notary and to what the agent knows. */
export function keysOnToken({ notary, caches, pods, ...parts }: KeysOnTokenParts): ModuleKeysReconciler {
  const identity = (uid: string) => caches.identities.by('uid', uid)[0];
  return new ModuleKeysReconciler({
    clock: systemClock,
    ready: () => parts.ready(),
    // What the cache was seeded with is older than the keys may be.
    knowsIdentities: () => caches.identities.hasSynced,
    identity,
    list: () => notary.moduleKeys(),
    destroy: (key) => notary.destroyKey(key),
    inUse: () => [...parts.holdings()].flatMap(heldKeys),
    lost: ({ identityUid }) => {
      const { namespace = '' } = identity(identityUid)?.metadata ?? {};
      for (const pod of pods.of(namespace)) parts.enqueue(pod.metadata.uid);
    },
  });
}

/** The keys in the token for which a pod holds certificates. */
export function heldKeys(holding: Holding | undefined): readonly ModuleKeyName[] {
  return [...(holding?.issued.values() ?? [])].flatMap(({ heldKey }) => heldKey?.name ?? []);
}
