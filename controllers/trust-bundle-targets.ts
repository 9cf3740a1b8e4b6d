// SPDX-License-Identifier: Apache-2.0
import { API_VERSION, CONTROLLER_MANAGER, TRUST_BUNDLE_LABEL, TRUST_SIGNER } from '../src/api/names.ts';
import type { TrustBundle } from '../src/api/v1alpha1/index.ts';
import type { Refusal } from '../src/identity/holding.ts';
import { selects } from '../src/identity/label-selector.ts';
import {
  clusterTrustBundles,
  configMaps,
  isApiError,
  keyOf,
  nameOf,
  type ConfigMap,
  type ClusterTrustBundle,
  type KubeClient,
  type KubeObject,
  type Namespace,
  type OwnerReference,
  type Resource,
} from '../src/kube/index.ts';
import type { Clock } from '../src/os/clock.ts';
import type { Cache } from './cache.ts';

export interface TrustBundleTargetsPorts {
  readonly clock: Clock;
  readonly client: Pick<KubeClient, 'apply' | 'delete' | 'serves'>;
  /** Metadata of all ConfigMaps. Index: `bundle`, by label. */
  readonly configMaps: Cache<KubeObject>;
  readonly namespaces: Cache<Namespace>;
}

interface Written {
  readonly version: string | undefined;
  /** Everything that was written, as one text. */
  readonly content: string;
}

/** A bundle in its two forms. */
export interface BundleTexts {
  readonly pem: string;
  /** SPIFFE's own format. */
  readonly json: string;
  /** Revocation lists, PEM. */
  readonly crls: string;
}

/** What the API server takes in the values of a ConfigMap. */
const MAX_CONFIG_MAP_BYTES = 1024 * 1024;
/** A cluster that does not serve ClusterTrustBundles may do so after an upgrade, without telling. */
const DISCOVERY_AGE_MS = 600_000;

/** What to do about a bundle that has become too large. */
export const TO_SHRINK =
  'Shorten x509.duration, so that revocation lists stay short, have the devices share a root (issuer.preloaded), or divide them among several trust domains.';

/** Bytes of texts in UTF-8. */
export const bytesIn = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** Writes a bundle where its spec says, and removes it where it no longer does. All that it writes goes with its owner. */
export class TrustBundleTargets {
  readonly #ports: TrustBundleTargetsPorts;
  /** By ConfigMap key: the version that our last write left, and what it wrote. */
  readonly #written = new Map<string, Written>();
  #served: { readonly at: number; readonly resource: Resource<ClusterTrustBundle> | undefined } | undefined;

  constructor(ports: TrustBundleTargetsPorts) {
    this.#ports = ports;
  }

  /** Returns what could not be written, with what to do about it. Throws what is worth trying again. */
  async write(bundle: TrustBundle, texts: BundleTexts): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    const wanted = this.#wanted(bundle);
    for (const key of wanted) {
      const refusal = await this.#writeConfigMap(bundle, key, texts);
      if (refusal) refusals.push(refusal);
    }
    await this.#removeOthers(bundle, new Set(wanted));
    const refusal = await this.#writeClusterTrustBundle(bundle, texts.pem);
    return refusal ? [...refusals, refusal] : refusals;
  }

  /** Keys of the ConfigMaps that should be. */
  #wanted({ metadata, spec }: TrustBundle): string[] {
    const { configMap } = spec.targets;
    if (!configMap) return [];
    const name = configMap.name ?? metadata.name ?? '';
    const live = this.#ports.namespaces
      .list()
      .filter(
        (namespace) => namespace.metadata?.deletionTimestamp === undefined && namespace.status?.phase !== 'Terminating',
      )
      .filter((namespace) => selects(configMap.namespaceSelector ?? {}, namespace.metadata?.labels ?? {}));
    return live.map((namespace) => `${namespace.metadata?.name ?? ''}/${name}`);
  }

  async #writeConfigMap(bundle: TrustBundle, key: string, texts: BundleTexts): Promise<Refusal | undefined> {
    const found = this.#ports.configMaps.get(key);
    if (found && !isOwned(found, bundle)) return taken(key);
    const before = this.#written.get(key);
    const wanted = configMapOf(bundle, key, texts);
    const refusal = sizeRefusal(key, wanted);
    if (refusal) return refusal;
    const content = JSON.stringify(wanted.data);
    if (found && before?.content === content && before.version === found.metadata?.resourceVersion) return undefined;
    try {
      const options = { fieldManager: CONTROLLER_MANAGER, force: found !== undefined, metadataOnly: true };
      const { metadata } = await this.#ports.client.apply(configMaps, wanted, options);
      this.#written.set(key, { version: metadata?.resourceVersion, content });
      return undefined;
    } catch (thrown) {
      if (isApiError(thrown, 'Conflict') && !found) return taken(key);
      if (isNamespaceGone(thrown)) return undefined;
      throw thrown;
    }
  }

  async #removeOthers(bundle: TrustBundle, wanted: ReadonlySet<string>): Promise<void> {
    for (const found of this.#ports.configMaps.by('bundle', bundle.metadata.name ?? '')) {
      if (wanted.has(keyOf(found)) || !isOwned(found, bundle)) continue;
      const { namespace, name = '', uid } = found.metadata ?? {};
      await this.#ports.client.delete(configMaps, { namespace, name }, uid === undefined ? {} : { uid });
      this.#written.delete(keyOf(found));
    }
  }

  async #writeClusterTrustBundle(bundle: TrustBundle, pem: string): Promise<Refusal | undefined> {
    const name = `${TRUST_SIGNER.replace('/', ':')}:${bundle.metadata.name ?? ''}`;
    // The API server takes none without a certificate.
    const wanted = bundle.spec.targets.clusterTrustBundle && pem !== '';
    const before = this.#written.get(name);
    if (!wanted && !before && !publishedBefore(bundle)) return undefined;
    const served = await this.#servedResource();
    if (!served) return wanted ? notServed() : undefined;
    if (!wanted) {
      await this.#ports.client.delete(served, { name });
      this.#written.delete(name);
      return undefined;
    }
    const object = {
      metadata: {
        name,
        labels: { [TRUST_BUNDLE_LABEL]: bundle.metadata.name ?? '' },
        ownerReferences: [ownedBy(bundle)],
      },
      spec: { signerName: TRUST_SIGNER, trustBundle: pem },
    };
    await this.#ports.client.apply(served, object, { fieldManager: CONTROLLER_MANAGER });
    this.#written.set(name, { version: undefined, content: pem });
    return undefined;
  }

  async #servedResource(): Promise<Resource<ClusterTrustBundle> | undefined> {
    const now = this.#ports.clock.now();
    if (!this.#served || now - this.#served.at > DISCOVERY_AGE_MS) {
      let resource: Resource<ClusterTrustBundle> | undefined;
      for (const candidate of clusterTrustBundles) {
        if (resource === undefined && (await this.#ports.client.serves(candidate))) resource = candidate;
      }
      this.#served = { at: now, resource };
    }
    return this.#served.resource;
  }
}

function configMapOf({ metadata, spec }: TrustBundle, key: string, { pem, json, crls }: BundleTexts): ConfigMap {
  const { namespace = '', name } = nameOf(key);
  const labels = { [TRUST_BUNDLE_LABEL]: metadata.name ?? '', 'app.kubernetes.io/managed-by': 'keystead' };
  return {
    metadata: { namespace, name, labels, ownerReferences: [ownedBy({ metadata })] },
    data: {
      'ca.crt': pem,
      'trust-bundle.pem': pem,
      ...(crls !== '' && { 'crl.pem': crls }),
      ...(spec.targets.configMap?.spiffeBundle && { 'spiffe-bundle.json': json }),
    },
  };
}

/** There is nothing to write into, and soon nothing to be asked for. */
function isNamespaceGone(thrown: unknown): boolean {
  return isApiError(thrown) && (thrown.status === 404 || (thrown.status === 403 && !thrown.retryable));
}

function ownedBy({ metadata }: Pick<TrustBundle, 'metadata'>): OwnerReference {
  const { name = '', uid = '' } = metadata;
  return { apiVersion: API_VERSION, kind: 'TrustBundle', name, uid, controller: true, blockOwnerDeletion: false };
}

function isOwned({ metadata }: KubeObject, bundle: TrustBundle): boolean {
  return metadata?.ownerReferences?.some(({ uid }) => uid === bundle.metadata.uid) ?? false;
}

/** A generation before this one may have asked for it; a first one cannot. */
function publishedBefore({ metadata }: TrustBundle): boolean {
  return (metadata.generation ?? 1) > 1;
}

function taken(key: string): Refusal {
  return {
    reason: 'ConfigMapTaken',
    message: `ConfigMap ${key} exists and is not this TrustBundle's. Delete it, or set targets.configMap.name to another name.`,
  };
}

function sizeRefusal(key: string, { data = {} }: ConfigMap): Refusal | undefined {
  const bytes = bytesIn(Object.values(data));
  if (bytes <= MAX_CONFIG_MAP_BYTES) return undefined;
  return {
    reason: 'ConfigMapTooLarge',
    message: `ConfigMap ${key} would have ${bytes} bytes, more than the ${MAX_CONFIG_MAP_BYTES} that the API server takes, and stays as it is, without new trust anchors and revocations. ${TO_SHRINK}`,
  };
}

function notServed(): Refusal {
  return {
    reason: 'ClusterTrustBundleNotServed',
    message:
      'The API server does not serve ClusterTrustBundles. Switch on the feature gate ClusterTrustBundle and certificates.k8s.io/v1beta1, or set targets.clusterTrustBundle to false.',
  };
}
