// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { entriesOf } from '../../../controllers/holder-status.ts';
import { INTEGRITY_VERIFIED } from '../../api/names.ts';
import type { EdgeDevice } from '../../api/v1alpha1/index.ts';
import { asksForIotEdge } from '../../identity/hub-module.ts';
import { hasEnded } from '../../identity/pod-evidence.ts';
import type { Controller } from '../../kube/index.ts';
import type { AgentCaches } from './caches.ts';
import type { NodePods } from './node-pods.ts';

type Woken = Readonly<
  Record<
    'pods' | 'holders' | 'gates' | 'device' | 'bundles' | 'keys' | 'hubKeys' | 'folders',
    Pick<Controller, 'enqueue'>
  >
>;

/** Has the agent's controllers look again at what a change in the cluster concerns. */
export function wakeByCaches(
  caches: AgentCaches,
  { node, ofNode }: { readonly node: string; readonly ofNode: NodePods },
  { pods, holders, gates, device, bundles, keys, hubKeys, folders }: Woken,
): void {
  caches.pods.onChange((_key, now, before) => {
    const uid = (now ?? before)?.metadata.uid;
    if (uid === undefined) return;
    pods.enqueue(uid);
    gates.enqueue(uid);
    // A pod that was replaced under its name (a StatefulSet's) is gone as much as a deleted one.
    if (before && before.metadata.uid !== uid) pods.enqueue(before.metadata.uid);
    if (!now || hasEnded(now)) hubKeys.enqueue('');
  });
  const namespaceChanged = (namespace: string | undefined): void => {
    for (const pod of ofNode.of(namespace ?? '')) pods.enqueue(pod.metadata.uid);
  };
  caches.modules.onChange((_key, now, before) => {
    if (now?.metadata.generation !== before?.metadata.generation || !now)
      namespaceChanged((now ?? before)?.metadata.namespace);
    if (now?.spec.host ?? before?.spec.host) folders.enqueue('');
  });
  caches.identities.onChange((key, now, before) => {
    const replaced = now?.metadata.uid !== before?.metadata.uid;
    if (replaced || !isDeepStrictEqual(entriesOf(now, node), entriesOf(before, node))) holders.enqueue(key);
  });
  caches.identities.onChange((_key, now, before) => {
    const replaced = now?.metadata.uid !== before?.metadata.uid;
    const changed = now?.metadata.generation !== before?.metadata.generation;
    if (replaced) keys.enqueue('');
    if (changed || !now) namespaceChanged((now ?? before)?.metadata.namespace);
    if ((replaced || changed) && [now, before].some((each) => each && asksForIotEdge(each))) hubKeys.enqueue('');
  });
  caches.devices.onChange((_key, now, before) => {
    const judged = integrityOf(now) !== integrityOf(before);
    // One that was deleted and made again has the same generation, and may be seen as one change.
    const replaced = now?.metadata.uid !== before?.metadata.uid;
    if (replaced || now?.metadata.generation !== before?.metadata.generation || judged || isChallenged(now, before)) {
      device.enqueue('');
    }
    if (judged || replaced) for (const { metadata } of ofNode.list()) pods.enqueue(metadata.uid);
    // Its labels say which modules of the host run here.
    folders.enqueue('');
  });
  caches.bundles.onChange(() => bundles.enqueue(''));
}

/** What the controller says of the node's measured boot. */
function integrityOf(device: EdgeDevice | undefined): string {
  const { conditions = [], integrity } = device?.status ?? {};
  const condition = conditions.find(({ type }) => type === INTEGRITY_VERIFIED);
  const mode = device?.spec.measuredBoot?.mode;
  return JSON.stringify([mode, condition?.status, condition?.reason, integrity?.verified?.bootID]);
}

function isChallenged(now: EdgeDevice | undefined, before: EdgeDevice | undefined): boolean {
  return now?.status?.integrity?.challenge?.nonce !== before?.status?.integrity?.challenge?.nonce;
}
