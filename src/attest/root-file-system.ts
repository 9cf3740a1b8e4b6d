// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf } from '../os/files.ts';
import { parseMount, type MountEntry } from '../os/mountinfo.ts';
import { procFileStatus } from '../os/proc.ts';
import { entryAt, rootedPath } from '../os/rooted-path.ts';
import type { LayerFolders } from './image-layers.ts';
import { namesAreGone, olderSnapshots, overlayLayers, resolveLayers, type OverlayLayers } from './overlay.ts';

/** The root file system of a container, as the runtime mounted it. Folders are paths of this program. */
export interface RootFileSystem extends LayerFolders {
  /** `major:minor` of the overlay, of this container alone. */
  readonly device: string;
  /** The mount that is the root of the container's first process; undefined before Linux 5.8. */
  readonly mountId?: number;
  /** Files that were found in its image: in which layer's file, by path and status. See `layerFileOf`. */
  readonly traced: Map<string, string>;
}

/** Why code of a container cannot be traced to its image. */
export interface Untraceable {
  readonly origin: 'foreign' | 'unprovable';
  readonly problem: string;
}

/** Stands for the files of the node itself, for a process that is in no container. */
export const NODE_FILES = { ofNode: true } as const;
export type NodeFiles = typeof NODE_FILES;

/** Containers whose layers are remembered; more than a node's 110 pods have. */
const REMEMBERED = 1024;

/**
 * Finds the root file systems of containers in the *host's* mount table. What a process of the container shows
 * (its mountinfo) is not believed: it may have made a mount namespace and an overlay of its own. The device number of
 * an overlay is the kernel's, belongs to one overlay mount, and must be the one that the runtime mounted.
 */
export class RootFileSystems {
  readonly #hostRoot: string;
  readonly #hostMounts: string;
  readonly #known = new Map<string, RootFileSystem>();

  /** `hostRoot`: where the host's root directory is seen; `hostMounts`: mountinfo of a process of the host. */
  constructor(hostRoot: string, hostMounts: string) {
    this.#hostRoot = hostRoot;
    this.#hostMounts = hostMounts;
  }

  /**
   * `init` is the host pid of the container's first process. Without `containerId` (and for runtimes that do not put
   * it into the path of the mount) the mount is found by the device of that process's root. Throws ProcessGone.
   */
  of(init: number, containerId?: string): RootFileSystem | Untraceable {
    const root = procFileStatus(init, 'root');
    const known = containerId === undefined ? undefined : this.#known.get(containerId);
    if (known?.device === root.device && known.mountId === root.mountId) return known;
    const mount = this.#mountOf(root.device, containerId);
    if (mount === undefined) {
      return unprovable(`its root file system (device ${root.device}) is not in the host's mount table`);
    }
    if (mount.device !== root.device) {
      const problem = "the container's first process has changed its root to another file system";
      return { origin: 'foreign', problem };
    }
    const found = this.#trace(mount, root.mountId);
    if (!('problem' in found) && containerId !== undefined) this.#remember(containerId, found);
    return found;
  }

  #mountOf(device: string, containerId?: string): MountEntry | undefined {
    const lines = readFileSync(this.#hostMounts, 'utf8').split('\n');
    const named =
      containerId === undefined ? undefined : lines.find((line) => line.includes(`/${containerId}/rootfs `));
    const line = named ?? lines.find((candidate) => candidate.split(' ', 3)[2] === device);
    return line === undefined ? undefined : parseMount(line);
  }

  #trace(mount: MountEntry, mountId?: number): RootFileSystem | Untraceable {
    const named = overlayLayers(mount);
    if (named === undefined) {
      return unprovable(`its root file system is ${mount.type}, which keeps no layers apart (overlay does)`);
    }
    try {
      const layers = this.#reach(named);
      if (layers === undefined) {
        return unprovable(
          `layers of its root file system are missing below ${this.#hostRoot}: ${named.lower.join(':')}`,
        );
      }
      return { device: mount.device, traced: new Map(), ...layers, ...(mountId === undefined ? {} : { mountId }) };
    } catch (error) {
      return unprovable(
        `layers of its root file system cannot be read: ${errnoOf(error) ?? ''} below ${this.#hostRoot}`,
      );
    }
  }

  /** The layers as folders of this program; undefined where one of them is not to be found. */
  #reach(named: OverlayLayers): LayerFolders | undefined {
    const gone = named.upper !== undefined && namesAreGone(named);
    const layers = gone
      ? olderSnapshots(named.upper, (path) => this.#numbered(path))
      : resolveLayers(named, (path) => this.#folder(path) !== undefined);
    if (layers === undefined) return undefined;
    const lower = layers.lower.map((path) => this.#folder(path)).filter((path) => path !== undefined);
    // Of the older snapshots some may be of another layout or just removed; of layers by name none may be missing.
    if (!gone && lower.length < layers.lower.length) return undefined;
    if (layers.upper === undefined) return { lower };
    const upper = this.#folder(layers.upper);
    return upper === undefined ? undefined : { lower, upper };
  }

  /** Path by which this program reaches a folder of the host. */
  #folder(path: string): string | undefined {
    const found = rootedPath(this.#hostRoot, path);
    return found !== undefined && entryAt(found)?.isDirectory() === true ? found : undefined;
  }

  /** Names of numbers in a folder of the host. */
  #numbered(path: string): string[] {
    const found = this.#folder(path);
    return found === undefined ? [] : readdirSync(found).filter((name) => /^\d+$/.test(name));
  }

  #remember(containerId: string, found: RootFileSystem): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(containerId, found);
  }
}

function unprovable(problem: string): Untraceable {
  return { origin: 'unprovable', problem };
}
