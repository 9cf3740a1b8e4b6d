// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import type { Logger } from '../log.ts';
import { errnoOf } from '../os/files.ts';
import { mountsAt } from '../os/mount.ts';
import type { Ownership, PublishedVolume } from './port.ts';
import { tmpfsMounts } from './tmpfs-mounts.ts';
import type { VolumeStore } from './volume.ts';

/** A module of the host and whose its folder is. */
export interface HostFolder {
  readonly uid: string;
  readonly namespace: string;
  readonly module: string;
  /** Name of the holder, in the place of a pod's. */
  readonly holder: string;
  readonly owner: Ownership;
}

export interface HostFoldersParts {
  /** Folder of this program's mount namespace, with mounts propagated to the host; empty where there shall be none. */
  readonly root: string;
  /** Marks its mounts, so that nobody else's are ever taken away. */
  readonly node: string;
  readonly volumes: VolumeStore;
  readonly log: Logger;
  /** A folder is there, with nothing in it yet or what lay in it before. */
  published(volume: PublishedVolume): void;
  /** A folder is about to go: what listens in it must end. */
  leaving(volume: PublishedVolume): void;
  gone(volume: PublishedVolume): void;
}

/**
 * The folders of the host's modules, `<root>/<namespace>/<module>`: each a tmpfs with the same files and sockets as a pod's
 * volume. The folder is root's and anybody may look into it; sockets and private key are the module's user's alone.
 */
export class HostFolders {
  readonly #parts: HostFoldersParts;
  readonly #source: string;
  readonly #mounts: ReturnType<typeof tmpfsMounts>;
  readonly #present = new Map<string, PublishedVolume>();

  constructor(parts: HostFoldersParts) {
    this.#parts = parts;
    this.#source = `keystead-${parts.node}`;
    this.#mounts = tmpfsMounts(this.#source);
  }

  /** Makes the folders that are wanted and takes away all others below the root. Safe to repeat. */
  async fit(wanted: readonly HostFolder[]): Promise<void> {
    if (this.#parts.root === '') return;
    const volumes = new Map(wanted.map((folder) => [folder.uid, this.#volumeOf(folder)]));
    for (const [uid, volume] of this.#present) if (!isDeepStrictEqual(volumes.get(uid), volume)) this.#withdraw(volume);
    for (const volume of volumes.values()) if (!this.#present.has(volume.podUid)) this.#publish(volume);
    await this.#sweep(new Set([...volumes.values()].map(({ targetPath }) => targetPath)));
  }

  #volumeOf({ uid, namespace, module, holder, owner }: HostFolder): PublishedVolume {
    return {
      ...{ volumeId: `host-${uid}`, podUid: uid, podNamespace: namespace, podName: holder, owner, attributes: {} },
      targetPath: join(this.#parts.root, namespace, module),
    };
  }

  #publish(volume: PublishedVolume): void {
    const { volumes, log } = this.#parts;
    const { targetPath } = volume;
    mkdirSync(targetPath, { recursive: true, mode: FOLDER_MODE });
    if (!this.#mounts.isMounted(targetPath)) {
      this.#mounts.mount(targetPath);
      log.info({ path: targetPath }, 'host folder mounted');
    }
    volumes.add(volume);
    volumes.settle(volume);
    this.#present.set(volume.podUid, volume);
    this.#parts.published(volume);
  }

  #withdraw(volume: PublishedVolume): void {
    const { volumes } = this.#parts;
    this.#parts.leaving(volume);
    volumes.withdraw(volume);
    this.#present.delete(volume.podUid);
    volumes.remove(volume.volumeId);
    this.#remove(volume.targetPath);
    this.#parts.gone(volume);
  }

  /** What an agent before this one has left of modules that are not any more. */
  async #sweep(kept: ReadonlySet<string>): Promise<void> {
    for (const namespace of await namesIn(this.#parts.root)) {
      const folder = join(this.#parts.root, namespace);
      const paths = (await namesIn(folder)).map((module) => join(folder, module));
      const own = paths.filter((path) => !kept.has(path) && isOwnMount(path, this.#source));
      for (const path of own) this.#remove(path);
      if (paths.every((path) => !kept.has(path))) removeEmpty(folder);
    }
  }

  #remove(path: string): void {
    this.#mounts.unmountAll(path);
    removeEmpty(path);
    this.#parts.log.info({ path }, 'host folder removed');
  }
}

/** Whether the agent of a node has mounted something at a path. */
function isOwnMount(path: string, source: string): boolean {
  return mountsAt(path).some((mount) => mount.source === source);
}

const FOLDER_MODE = 0o755;

async function namesIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Of a folder that is not empty nothing was mounted, so that it is not ours. */
function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error;
  }
}
