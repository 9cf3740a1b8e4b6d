// SPDX-License-Identifier: Apache-2.0

import type { ModuleKeyName } from '../notary/key-port.ts';

/** A private key in the node's token. */
export interface HeldKeyReference {
  readonly name: ModuleKeyName;
  /** RFC 7512. */
  readonly uri: string;
}

/** What a module gets besides the trust bundle. PEM throughout. */
export interface Credentials {
  /** PKCS#8; absent where the key is in the token. */
  readonly privateKey?: string;
  /** Leaf first, then intermediates. */
  readonly chain: string;
  /** The key in the token, where there is one and it is known: a volume does not say it. */
  readonly heldKey?: HeldKeyReference;
}

/** Credentials whose key a module has itself. */
export type KeyedCredentials = Credentials & { readonly privateKey: string };

/** Who may read the private key in a volume: this user alone, and the pod's fsGroup where it has one. */
export interface Ownership {
  /**
   * Uid and gid of the module's process as files in its volume show them: the host's, except for a pod with
   * `hostUsers: false`, where the runtime maps the mount and they are those inside the pod.
   */
  readonly uid: number;
  readonly gid: number;
}

/**
 * A CSI volume that the kubelet asked this node to publish, recorded on disk before it is mounted; or the folder of a module of
 * the host.
 */
export interface PublishedVolume {
  readonly volumeId: string;
  readonly targetPath: string;
  readonly podUid: string;
  readonly podNamespace: string;
  readonly podName: string;
  /** Pod's fsGroup where it has one: the key is then group readable. */
  readonly fsGroup?: number;
  /** Whose the sockets in it are, where others reach it too; a pod's volume is reached by the pod alone. */
  readonly owner?: Ownership;
  /** volume_context entries without the `csi.storage.k8s.io/` ones. */
  readonly attributes: Readonly<Record<string, string>>;
}

/**
 * The identity volumes of this node. Every write is atomic: a reader sees the old set of files or the new one.
 * Writes throw `NotFound` for a volume that is not published here any more: a key never reaches a disk.
 */
export interface Volumes {
  /** Volumes that are mounted now. */
  list(): readonly PublishedVolume[];
  /** The pod's volume; the one published first where it has several. */
  of(podUid: string): PublishedVolume | undefined;
  /**
   * Writes `ca.crt` and `trust-bundle.pem`, and revocation lists as `crl.pem` where there are any (undefined: leaves them as
   * they are); credentials already there stay. Does nothing where nothing differs.
   */
  writeBundle(volume: PublishedVolume, bundle: string, crls?: string): void;
  /**
   * Writes `tls.key tls.crt credential-bundle.pem` beside the bundle, `tls.crt` alone for a key in the token. Does nothing
   * where nothing differs. Throws `Internal` when key and leaf do not belong together.
   */
  writeCredentials(volume: PublishedVolume, credentials: Credentials, owner: Ownership): void;
  /** What lies in the volume now; undefined where there is nothing whole, or where key and leaf do not belong together. */
  readCredentials(volume: PublishedVolume): Credentials | undefined;
  /** Removes the credentials, all files by one rename; the bundle stays. Returns whether there was anything. */
  withdraw(volume: PublishedVolume): boolean;
}
