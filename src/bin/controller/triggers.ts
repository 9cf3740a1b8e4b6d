// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from 'node:util';
import { MODULE_LABEL, TRUST_BUNDLE_LABEL } from '../../api/names.ts';
import type { Pod } from '../../api/pod.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity, TrustBundle } from '../../api/v1alpha1/index.ts';
import { claimedNames } from '../../identity/spiffe-claim.ts';
import { keyOf, type KubeObject } from '../../kube/index.ts';
import type { ControllerCaches } from './caches.ts';
import type { Reconcilers } from './reconcilers.ts';

/**
 * Says which keys must be looked at when an object changes. Too many wake-ups only cost a look into the caches, too
 * few would leave something stale, so these rules are wide rather than clever. Call it before the caches run.
 */
export function connect(caches: ControllerCaches, work: Reconcilers): void {
  onModules(caches, work);
  onIdentities(caches, work);
  onPods(caches, work);
  onTrust(caches, work);
  caches.nodes.onChange((node, current, previous) => {
    // Nodes report every few minutes; only labels and existence matter here.
    if (current && previous && isDeepStrictEqual(current.metadata?.labels, previous.metadata?.labels)) return;
    work.devices?.enqueue(node);
    for (const identity of current ? [] : caches.identities.by('node', node)) work.identities.enqueue(keyOf(identity));
  });
}

/** All that exists: what a new leader must look at. */
export function enqueueAll(caches: ControllerCaches, work: Reconcilers): void {
  for (const key of caches.bundles.keys()) work.bundles.enqueue(key);
  for (const key of caches.identities.keys()) work.identities.enqueue(key);
  for (const key of caches.modules.keys()) work.modules.enqueue(key);
  for (const key of caches.nodes.keys()) work.devices?.enqueue(key);
  for (const key of caches.devices.keys()) work.integrity.enqueue(key);
}

function onModules(caches: ControllerCaches, work: Reconcilers): void {
  caches.modules.onChange((key, current, previous) => {
    work.modules.enqueue(key);
    for (const identity of caches.identities.by('module', key)) work.identities.enqueue(keyOf(identity));
    const { namespace = '' } = (current ?? previous)?.metadata ?? {};
    if (order(current) !== order(previous) || readiness(current) !== readiness(previous)) {
      const after = Math.min(order(current), order(previous));
      for (const other of caches.modules.by('namespace', namespace)) {
        if (other.spec.startupOrder > after) work.modules.enqueue(keyOf(other));
      }
    }
    // A selector that came, went or changed may claim the pods of any module beside it.
    if (isDeepStrictEqual(current?.spec.selector, previous?.spec.selector)) return;
    for (const other of caches.modules.by('namespace', namespace)) work.modules.enqueue(keyOf(other));
  });
  const owner = (key: string): void => {
    if (caches.modules.get(key)) work.modules.enqueue(key);
  };
  // A workload has its module's name, also one that stands in a module's way.
  caches.deployments.onChange(owner);
  caches.daemonSets.onChange(owner);
}

function order(module: EdgeModule | undefined): number {
  return module?.spec.startupOrder ?? Number.POSITIVE_INFINITY;
}

function readiness(module: EdgeModule | undefined): string {
  const ready = module?.status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? '';
  return `${ready} ${module?.spec.desiredState ?? ''}`;
}

function onIdentities(caches: ControllerCaches, work: Reconcilers): void {
  const rivals = (identity: ModuleIdentity | undefined): void => {
    if (!identity) return;
    for (const name of claimedNames(identity)) {
      for (const other of caches.identities.by('claim', name)) work.identities.enqueue(keyOf(other));
    }
    work.modules.enqueue(`${identity.metadata.namespace ?? ''}/${identity.spec.moduleRef.name}`);
  };
  caches.identities.onChange((key, current, previous) => {
    work.identities.enqueue(key);
    rivals(current);
    if (!current) rivals(previous);
  });
}

function onPods(caches: ControllerCaches, work: Reconcilers): void {
  const wake = ({ metadata }: Pod): void => {
    const { namespace, labels } = metadata;
    const module = labels?.[MODULE_LABEL];
    const claiming = caches.modules.by('selecting', namespace).map(keyOf);
    if (module !== undefined) claiming.push(`${namespace}/${module}`);
    for (const key of claiming) {
      work.modules.enqueue(key);
      for (const identity of caches.identities.by('module', key)) work.identities.enqueue(keyOf(identity));
    }
  };
  caches.pods.onChange((_, current, previous) => {
    if (current && previous && isDeepStrictEqual(essence(current), essence(previous))) return;
    if (current) wake(current);
    if (previous && previous.metadata.labels !== current?.metadata.labels) wake(previous);
  });
}

/** A pod's status changes often in ways that no module's status shows. */
function essence({ metadata, status }: Pod): unknown {
  return [metadata.uid, metadata.labels, metadata.deletionTimestamp, status];
}

function onTrust(caches: ControllerCaches, work: Reconcilers): void {
  const allBundles = (): void => caches.bundles.keys().forEach((key) => work.bundles.enqueue(key));
  const allIdentities = (): void => caches.identities.keys().forEach((key) => work.identities.enqueue(key));
  caches.bundles.onChange((key, current, previous) => {
    work.bundles.enqueue(key);
    if (!current) work.defaultBundle?.enqueue(key);
    if (current?.status?.certificates !== previous?.status?.certificates) allIdentities();
  });
  caches.devices.onChange((key, current, previous) => {
    if (!current) work.devices?.enqueue(key);
    if (attesting(current) !== attesting(previous)) work.integrity.enqueue(key);
    const sameAnchors = trust(current) === trust(previous);
    if (!sameAnchors) allIdentities();
    // Name and labels say which modules of the host belong to it.
    if (!isDeepStrictEqual(current?.metadata.labels, previous?.metadata.labels) || !current || !previous)
      ofHosts(caches, work);
    if (!sameAnchors || published(current) !== published(previous)) allBundles();
  });
  caches.configMaps.onChange((key, current, previous) => {
    const bundle = (current ?? previous)?.metadata?.labels?.[TRUST_BUNDLE_LABEL];
    if (bundle !== undefined && caches.bundles.get(bundle)) work.bundles.enqueue(bundle);
    const concerned = caches.bundles.list().filter((each) => concerns(each, key));
    for (const each of concerned) work.bundles.enqueue(keyOf(each));
  });
  caches.namespaces.onChange((_, current, previous) => {
    if (!isDeepStrictEqual(relevant(current), relevant(previous))) allBundles();
  });
}

function ofHosts(caches: ControllerCaches, work: Reconcilers): void {
  for (const module of caches.modules.list()) if (module.spec.host) work.modules.enqueue(keyOf(module));
}

/** A source of the bundle, or of the name that its targets have. */
function concerns({ metadata, spec }: TrustBundle, configMap: string): boolean {
  const { configMap: target } = spec.targets;
  if (target && configMap.endsWith(`/${target.name ?? metadata.name ?? ''}`)) return true;
  return spec.sources.some(({ configMap: from }) => from && `${from.namespace}/${from.name}` === configMap);
}

function trust(device: EdgeDevice | undefined): string {
  return `${device?.spec.trustDomain ?? ''} ${device?.status?.issuer?.anchors ?? ''}`;
}

/** What has the measured boot of a device looked at. */
function attesting(device: EdgeDevice | undefined): string {
  return device ? JSON.stringify([device.metadata.uid, device.spec.measuredBoot, device.status?.attester]) : '';
}

/** What a device adds to bundles beside its anchors. */
function published(device: EdgeDevice | undefined): string {
  const { tokenKeys, revocation } = device?.status ?? {};
  return JSON.stringify([tokenKeys?.map(({ keyID }) => keyID), revocation?.crl, revocation?.tokens]);
}

function relevant(namespace: KubeObject | undefined): unknown {
  return namespace && [namespace.metadata?.labels, namespace.metadata?.deletionTimestamp];
}
