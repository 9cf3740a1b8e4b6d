// SPDX-License-Identifier: Apache-2.0
import { edgeDevices, moduleIdentities, trustBundles } from '../../api/resources.ts';
import { componentSelector, PODS } from '../kinds.ts';
import type { Cluster } from '../port.ts';
import type { Installation } from './port.ts';

/** Looks at an installation, each kind once, when the first check asks for it. */
export function installationOf(cluster: Cluster, now: number, systemNamespace: string | undefined): Installation {
  const podsOf = (component: 'node' | 'controller'): ReturnType<Installation['agents']> =>
    cluster.list(PODS, { labelSelector: componentSelector(component), namespace: systemNamespace });
  return {
    cluster,
    now,
    agents: once(() => podsOf('node')),
    controllers: once(() => podsOf('controller')),
    devices: once(() => cluster.list(edgeDevices)),
    identities: once(() => cluster.list(moduleIdentities)),
    bundles: once(() => cluster.list(trustBundles)),
  };
}

function once<T>(look: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => (found ??= look());
}
