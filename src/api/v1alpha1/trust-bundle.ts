// SPDX-License-Identifier: Apache-2.0
// Generated from crds/ by `npm run generate`; changes made here are lost.
import type { Condition } from '../conditions.ts';
import type { LabelSelector } from '../label-selector.ts';
import type { ObjectMeta } from '../object-meta.ts';

/**
 * TrustBundle gathers the trust anchors of a trust domain and hands them to the modules: into their volumes,
 * into ConfigMaps and into a ClusterTrustBundle.
 */
export interface TrustBundle {
  readonly apiVersion: 'keystead.dev/v1alpha1';
  readonly kind: 'TrustBundle';
  readonly metadata: ObjectMeta;
  /** Where the anchors come from and where they go. */
  readonly spec: TrustBundleSpec;
  /** What the bundle holds; written by the controller. */
  readonly status?: TrustBundleStatus;
}

/** Where the anchors come from and where they go. */
export interface TrustBundleSpec {
  /** SPIFFE trust domain that the anchors vouch for, for example edge.example.org. It cannot be changed later. */
  readonly trustDomain: string;
  /** Where the anchors come from; all of them are joined, each certificate once. */
  readonly sources: readonly TrustBundleSpecSource[];
  /** Where the bundle goes, beside the volumes of the trust domain's modules, which always have it. */
  readonly targets: TrustBundleSpecTargets;
}

/** One source of anchors; exactly one member is set. */
export interface TrustBundleSpecSource {
  /** The anchors of every EdgeDevice of this trust domain. It has no settings, write {}. */
  readonly devices?: TrustBundleSpecSourceDevices;
  /** Anchors written here; exactly one member is set. */
  readonly inline?: TrustBundleSpecSourceInline;
  /** Anchors in a ConfigMap. */
  readonly configMap?: TrustBundleSpecSourceConfigMap;
}

/** The anchors of every EdgeDevice of this trust domain. It has no settings, write {}. */
export interface TrustBundleSpecSourceDevices {}

/** Anchors written here; exactly one member is set. */
export interface TrustBundleSpecSourceInline {
  /** One or more certificates in PEM, at most 64 KiB; more go into a ConfigMap. */
  readonly pem?: string;
  /**
   * A SPIFFE bundle in JSON, as another trust domain's bundle endpoint serves it, with its X.509 anchors and its keys
   * for JWT-SVIDs; at most 64 KiB.
   */
  readonly spiffeBundle?: string;
}

/** Anchors in a ConfigMap. */
export interface TrustBundleSpecSourceConfigMap {
  /** Namespace of the ConfigMap. */
  readonly namespace: string;
  /** Name of the ConfigMap. */
  readonly name: string;
  /** Key in the ConfigMap's data whose value is PEM, or a SPIFFE bundle in JSON. */
  readonly key: string;
}

/** Where the bundle goes, beside the volumes of the trust domain's modules, which always have it. */
export interface TrustBundleSpecTargets {
  /**
   * A ConfigMap with the bundle under the keys trust-bundle.pem and ca.crt, and the revocation lists under crl.pem, in
   * each selected namespace.
   */
  readonly configMap?: TrustBundleSpecTargetsConfigMap;
  /**
   * Whether the bundle is also published as the ClusterTrustBundle keystead.dev:identity:<name> for signer
   * keystead.dev/identity, which pods can mount as a projected volume.
   */
  readonly clusterTrustBundle: boolean;
}

/**
 * A ConfigMap with the bundle under the keys trust-bundle.pem and ca.crt, and the revocation lists under crl.pem, in
 * each selected namespace.
 */
export interface TrustBundleSpecTargetsConfigMap {
  /** Name of the ConfigMap; left out, the name of the TrustBundle. */
  readonly name?: string;
  /**
   * Whether the ConfigMap also holds the bundle in SPIFFE's own format (JSON, X.509 anchors and keys for JWT-SVIDs) under
   * the key spiffe-bundle.json. A ConfigMap holds 1 MiB in all.
   */
  readonly spiffeBundle: boolean;
  /** Labels of the namespaces that get the ConfigMap; left out or empty, every namespace. */
  readonly namespaceSelector?: LabelSelector;
}

/** What the bundle holds; written by the controller. */
export interface TrustBundleStatus {
  /** Generation of the spec that this status speaks of. */
  readonly observedGeneration?: number;
  /** Conditions of the bundle: Ready tells that all sources were read and all targets written. */
  readonly conditions?: readonly Condition[];
  /** PEM of all anchors, each once. */
  readonly certificates?: string;
  /** Number of anchors. */
  readonly count?: number;
  /** SHA-256 of each anchor in DER, in the order of certificates. */
  readonly fingerprints?: readonly string[];
  /** JWK Set (RFC 7517) with the keys that verify JWT-SVIDs of the trust domain, each once. */
  readonly jwks?: string;
  /** Number of keys in jwks. */
  readonly tokenKeys?: number;
  /** PEM of the revocation lists of the devices whose anchors the bundle holds, one for each CA. */
  readonly crl?: string;
  /** Number of lists in crl. */
  readonly crls?: number;
  /** Identifiers (claim jti) of revoked JWT-SVIDs that have not ended. */
  readonly revokedTokens?: readonly string[];
  /** Counts the changes of the bundle; the spiffe_sequence of its SPIFFE form. */
  readonly sequence?: number;
}
