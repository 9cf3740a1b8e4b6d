// SPDX-License-Identifier: Apache-2.0

/** What a module gets besides the trust bundle. PEM throughout. */
export interface Credentials {
  /** PKCS#8. */
  readonly privateKey: string;
  /** Leaf first, then intermediates. */
  readonly chain: string;
}

/** Who may read the private key in a volume. */
export interface Ownership {
  /** Host uid and gid of the module's process. */
  readonly uid: number;
  readonly gid: number;
}

/** A CSI volume that the kubelet asked this node to publish. Recorded on disk before it is mounted. */
export interface PublishedVolume {
  readonly volumeId: string;
  readonly targetPath: string;
  readonly podUid: string;
  readonly podNamespace: string;
  readonly podName: string;
  /** Pod's fsGroup where it has one: the key is then group readable. */
  readonly fsGroup?: number;
  /** volume_context entries without the `csi.storage.k8s.io/` ones. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The identity volumes of this node. Every write is atomic: a reader sees the old set of files or the new one. */
export interface Volumes {
  list(): readonly PublishedVolume[];
  of(podUid: string): PublishedVolume | undefined;
  /** Writes `ca.crt` and `trust-bundle.pem`; credentials already there stay. */
  writeBundle(volume: PublishedVolume, bundle: string): void;
  /** Writes `tls.key tls.crt credential-bundle.pem` beside the bundle. */
  writeCredentials(volume: PublishedVolume, credentials: Credentials, owner: Ownership): void;
  /** What lies in the volume now; undefined where there are no credentials. */
  readCredentials(volume: PublishedVolume): Credentials | undefined;
  /** Removes the credentials; the bundle stays. Returns whether there was anything. */
  withdraw(volume: PublishedVolume): boolean;
}
