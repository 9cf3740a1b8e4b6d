// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { asKeysteadError, KeysteadError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { errnoOf } from '../../os/files.ts';
import { KeyedLock } from '../../identity/keyed-lock.ts';
import type { PublishedVolume } from '../port.ts';
import type { VolumeStore } from '../volume.ts';
import type { VolumeRecords } from './records.ts';
import { readPublishRequest, readUnpublishRequest, type PublishRequest, type UnpublishRequest } from './request.ts';

import { locateTarget } from './target-path.ts';

/** What of the operating system the node service needs. */
export interface Mounts {
  isMounted(path: string): boolean;
  /** Mounts the empty file system of a volume at an existing directory. */
  mount(path: string): void;
  /** Takes away every mount at a path; none is fine. */
  unmountAll(path: string): void;
}

export interface VolumeEvents {
  /**
   * A volume is being published: gives the trust bundle to put in, PEM. Called again each time that the kubelet asks
   * again. Must answer at once; an empty bundle, or a throw, makes the kubelet try again.
   */
  onPublish(volume: PublishedVolume): string;
  /**
   * The kubelet hands over the Secret that the volume names, for the node and not for the pod: it is neither recorded nor
   * mounted. Resolves once it is where it belongs; a rejection keeps the pod from starting, and the kubelet tries again.
   */
  onSecret?(volume: PublishedVolume, secret: Readonly<Record<string, string>>): Promise<void>;
  /** A volume is about to be unmounted: what else lies in it must be closed now. Must not throw. */
  beforeUnmount?(volume: PublishedVolume): void;
  /** A volume is gone from this node. */
  onUnpublish(volume: PublishedVolume): void;
}

export interface NodeServiceParts {
  readonly kubeletRoot: string;
  readonly records: VolumeRecords;
  readonly volumes: VolumeStore;
  readonly mounts: Mounts;
  readonly events: VolumeEvents;
  readonly log: Logger;
}

/**
 * Publishes and unpublishes volumes (CSI spec, NodePublishVolume and NodeUnpublishVolume). Every step is safe to
 * repeat, and a process killed between any two of them leaves what the next call or `recover` completes.
 * Calls for one volume run one after another.
 */
export class NodeService {
  readonly #parts: NodeServiceParts;
  readonly #lock = new KeyedLock();

  constructor(parts: NodeServiceParts) {
    this.#parts = parts;
  }

  /** Throws as `readPublishRequest` does, and `Unavailable` for whatever fails later. */
  async publish(request: PublishRequest): Promise<void> {
    const volume = readPublishRequest(request, this.#parts.kubeletRoot);
    await this.#lock.run(volume.volumeId, () =>
      this.#attempt('publish', volume, async () => {
        if (Object.keys(request.secrets).length > 0) await this.#parts.events.onSecret?.(volume, request.secrets);
        await this.#publish(volume);
      }),
    );
  }

  async #publish(volume: PublishedVolume): Promise<void> {
    const { records, mounts, volumes, events, log } = this.#parts;
    const recorded = await records.read(volume.volumeId);
    if (recorded && mounts.isMounted(recorded.targetPath)) requireCompatible(recorded, volume);
    // First the record, then the mount: a mount that nobody knows of would stay for ever.
    if (!isDeepStrictEqual(recorded, volume)) await records.write(volume);
    if (!mounts.isMounted(volume.targetPath)) {
      makeTarget(volume.targetPath);
      mounts.mount(volume.targetPath);
      log.info({ volume: volume.volumeId, pod: podOf(volume) }, 'volume mounted');
    }
    volumes.add(volume);
    volumes.writeBundle(volume, bundleFor(volume, events));
  }

  /** Fine for what was never published, is not mounted any more, or was published before a reboot. */
  async unpublish(request: UnpublishRequest): Promise<void> {
    const target = readUnpublishRequest(request, this.#parts.kubeletRoot);
    await this.#lock.run(target.volumeId, () => this.#attempt('unpublish', target, () => this.#unpublish(target)));
  }

  async #unpublish({ volumeId, targetPath }: UnpublishRequest): Promise<void> {
    const { records, log } = this.#parts;
    const recorded = await records.read(volumeId);
    const volume = recorded?.targetPath === targetPath ? recorded : undefined;
    this.#clear(targetPath, volume);
    if (!volume) return;
    await records.remove(volumeId);
    this.#told(volume);
    log.info({ volume: volumeId, pod: podOf(volume) }, 'volume unmounted');
  }

  /** In one go, so that no write can come between unmounting and forgetting. */
  #clear(targetPath: string, volume: PublishedVolume | undefined): void {
    const { volumes, mounts, events } = this.#parts;
    if (volume) events.beforeUnmount?.(volume);
    // A container that still runs keeps its view of the mount: what it may not have any more is taken out first.
    if (volume) volumes.withdraw(volume);
    mounts.unmountAll(targetPath);
    removeTarget(targetPath);
    if (volume) volumes.remove(volume.volumeId);
  }

  /**
   * Call once, before serving: takes up the volumes that are mounted, as they are, and drops the records of pods that
   * have left the node. What is recorded but not mounted (after a reboot, or a crash before the mount) is left to the
   * kubelet, which publishes or unpublishes it when it comes back; mounting it here could race with that.
   */
  async recover(): Promise<void> {
    const { records, log } = this.#parts;
    await records.open();
    const recorded = await records.all((path) => log.error({ path }, 'volume record is unreadable, left alone'));
    let [resumed, dropped] = [0, 0];
    for (const volume of recorded) {
      if (this.#resume(volume)) resumed += 1;
      else if (await this.#dropIfGone(volume)) dropped += 1;
    }
    log.info({ resumed, dropped, waiting: recorded.length - resumed - dropped }, 'volumes recovered');
  }

  #resume(volume: PublishedVolume): boolean {
    const { mounts, volumes } = this.#parts;
    if (!mounts.isMounted(volume.targetPath)) return false;
    volumes.add(volume);
    volumes.settle(volume);
    return true;
  }

  async #dropIfGone(volume: PublishedVolume): Promise<boolean> {
    const { records, kubeletRoot } = this.#parts;
    const location = locateTarget(kubeletRoot, volume.targetPath);
    // A record below another kubelet root is not ours to judge by this one's directories.
    if (!location || existsSync(location.podDirectory)) return false;
    await records.remove(volume.volumeId);
    this.#told(volume);
    return true;
  }

  #told(volume: PublishedVolume): void {
    try {
      this.#parts.events.onUnpublish(volume);
    } catch (error) {
      // The volume is gone whatever the listener makes of it.
      this.#parts.log.error({ err: error, volume: volume.volumeId }, 'unpublish listener failed');
    }
  }

  /**
   * To the kubelet UNAVAILABLE means "may have happened": it tries again, and unpublishes when the pod goes. After
   * any other code it would forget the volume, and what was done so far would stay.
   */
  async #attempt(what: string, { volumeId }: UnpublishRequest, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (thrown) {
      const error = asKeysteadError(thrown);
      this.#parts.log.warn({ err: error, volume: volumeId }, `${what} failed`);
      if (error.code === 'InvalidConfiguration') throw error;
      throw new KeysteadError('Unavailable', `Cannot ${what} volume ${volumeId}: ${error.message}`, { cause: error });
    }
  }
}

/** CSI spec, NodePublishVolume: a second call with other arguments while the first stands. */
function requireCompatible(recorded: PublishedVolume, asked: PublishedVolume): void {
  const compared = ({ targetPath, fsGroup, attributes }: PublishedVolume): unknown => [targetPath, fsGroup, attributes];
  if (isDeepStrictEqual(compared(recorded), compared(asked))) return;
  throw new KeysteadError(
    'InvalidConfiguration',
    `Volume ${asked.volumeId} is already published at ${recorded.targetPath} with other arguments; unpublish it first`,
  );
}

function bundleFor(volume: PublishedVolume, events: VolumeEvents): string {
  let bundle: string;
  try {
    bundle = events.onPublish(volume);
  } catch (error) {
    throw new KeysteadError('Unavailable', `no trust bundle: ${asKeysteadError(error).message}`, { cause: error });
  }
  if (bundle !== '') return bundle;
  throw new KeysteadError('Unavailable', 'the trust bundle is not known yet');
}

/** Its parent is the kubelet's to make; where that is gone the pod is gone, and must not be brought back. */
function makeTarget(path: string): void {
  try {
    mkdirSync(path, { mode: 0o750 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

function removeTarget(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

const podOf = ({ podNamespace, podName }: PublishedVolume): string => `${podNamespace}/${podName}`;
