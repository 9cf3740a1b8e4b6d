// SPDX-License-Identifier: Apache-2.0
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { KeysteadError } from '../errors.ts';
import { errnoOf } from '../os/files.ts';
import type { Credentials, Ownership, PublishedVolume, Volumes } from './port.ts';
import { readRevision, settle, swapIn, type Revision, type RevisionFile } from './revision.ts';

/** Names in a volume. The bundle has two: `ca.crt` is what a kubernetes.io/tls Secret calls it. */
export const BUNDLE_FILES = ['ca.crt', 'trust-bundle.pem'] as const;
/** Revocation lists of the bundle's authorities, PEM. */
const CRL = 'crl.pem';
const KEY = 'tls.key';
const CHAIN = 'tls.crt';
/** Key first, then the chain, in one file: a program that opens one file cannot meet a mix. */
const COMBINED = 'credential-bundle.pem';
const CREDENTIAL_FILES: readonly string[] = [KEY, CHAIN, COMBINED];

/** f_type of a tmpfs, from linux/magic.h. */
const TMPFS_MAGIC = 0x01021994;
const PUBLIC_MODE = 0o444;
const PRIVATE_MODE = 0o400;
const GROUP_MODE = 0o440;

/** The volumes that are mounted on this node, in memory, and their files. Knows nothing of mounting. */
export class VolumeStore implements Volumes {
  readonly #volumes = new Map<string, PublishedVolume>();

  /** Makes a mounted volume known, in place of what was known by that id. */
  add(volume: PublishedVolume): void {
    this.#volumes.set(volume.volumeId, volume);
  }

  /** Forgets a volume: from now on nothing is written to it. */
  remove(volumeId: string): void {
    this.#volumes.delete(volumeId);
  }

  list(): readonly PublishedVolume[] {
    return [...this.#volumes.values()];
  }

  of(podUid: string): PublishedVolume | undefined {
    return this.list().find((volume) => volume.podUid === podUid);
  }

  /** Removes what an interrupted write left in a volume; the files that it offers stay. */
  settle(volume: PublishedVolume): void {
    settle(this.#directory(volume));
  }

  writeBundle(volume: PublishedVolume, bundle: string, crls?: string): void {
    const directory = this.#directory(volume);
    const present = readRevision(directory);
    const lists = crls === undefined ? only(present, CRL) : listFile(crls);
    swapIn(directory, new Map([...bundleFiles(bundle), ...lists, ...credentialsIn(present)]));
  }

  writeCredentials(volume: PublishedVolume, credentials: Credentials, owner: Ownership): void {
    const directory = this.#directory(volume);
    if (!belongTogether(credentials)) {
      throw new KeysteadError(
        'Internal',
        `The private key for volume ${volume.volumeId} does not match its certificate`,
      );
    }
    const files = credentialFiles(credentials, owner, volume.fsGroup);
    swapIn(directory, new Map([...bundleIn(readRevision(directory)), ...files]));
    // The revision before may hold a key that was in memory: it must not linger beside one in the token.
    if (credentials.privateKey === undefined) settle(directory);
  }

  readCredentials(volume: PublishedVolume): Credentials | undefined {
    if (!isMountedTmpfs(volume.targetPath)) return undefined;
    const files = readRevision(volume.targetPath);
    const privateKey = files.get(KEY)?.content;
    const chain = files.get(CHAIN)?.content;
    if (chain === undefined) return undefined;
    const credentials = { chain, ...(privateKey !== undefined && { privateKey }) };
    return belongTogether(credentials) ? credentials : undefined;
  }

  withdraw(volume: PublishedVolume): boolean {
    if (!isMountedTmpfs(volume.targetPath)) return false;
    const files = readRevision(volume.targetPath);
    const withdrawn = swapIn(volume.targetPath, bundleIn(files));
    // Unlike after a renewal, the revision before must not linger: the module may not have this key any more.
    settle(volume.targetPath);
    return withdrawn;
  }

  /** Where to write. After unpublish the path is a plain directory, or none, and a key must not land there. */
  #directory(volume: PublishedVolume): string {
    if (this.#volumes.has(volume.volumeId) && isMountedTmpfs(volume.targetPath)) return volume.targetPath;
    throw new KeysteadError(
      'NotFound',
      `Volume ${volume.volumeId} of pod ${volume.podNamespace}/${volume.podName} is not published on this node any more`,
    );
  }
}

function isMountedTmpfs(path: string): boolean {
  try {
    const mounted = statSync(path).dev !== statSync(dirname(path)).dev;
    return mounted && statfsSync(path).type === TMPFS_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function bundleFiles(bundle: string): Revision {
  const file = { content: withNewline(bundle), mode: PUBLIC_MODE, uid: 0, gid: 0 };
  return new Map(BUNDLE_FILES.map((name) => [name, file]));
}

function listFile(crls: string): Revision {
  return new Map(crls === '' ? [] : [[CRL, { content: crls, mode: PUBLIC_MODE, uid: 0, gid: 0 }]]);
}

function only(files: Revision, name: string): Revision {
  return new Map([...files].filter(([each]) => each === name));
}

function credentialFiles(credentials: Credentials, owner: Ownership, fsGroup: number | undefined): Revision {
  const secret = (content: string): RevisionFile => ({
    content,
    mode: fsGroup === undefined ? PRIVATE_MODE : GROUP_MODE,
    uid: owner.uid,
    gid: fsGroup ?? owner.gid,
  });
  const chain = withNewline(credentials.chain);
  const certificate = [CHAIN, { content: chain, mode: PUBLIC_MODE, uid: 0, gid: 0 }] as const;
  if (credentials.privateKey === undefined) return new Map([certificate]);
  const key = withNewline(credentials.privateKey);
  return new Map([[KEY, secret(key)], certificate, [COMBINED, secret(key + chain)]]);
}

const credentialsIn = (files: Revision): Revision =>
  new Map([...files].filter(([name]) => CREDENTIAL_FILES.includes(name)));
const bundleIn = (files: Revision): Revision =>
  new Map([...files].filter(([name]) => !CREDENTIAL_FILES.includes(name)));

/** PEM blocks are joined by their readers and by us: each must end its line. */
const withNewline = (pem: string): string => (pem.endsWith('\n') ? pem : `${pem}\n`);

/**
 * Whether the leaf, first in the chain, certifies this private key; one in the token was compared when it was certified.
 * Text that is no PEM belongs to nothing.
 */
function belongTogether({ chain, privateKey }: Credentials): boolean {
  try {
    const leaf = new X509Certificate(chain);
    return privateKey === undefined || leaf.checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}
