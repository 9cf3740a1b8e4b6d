// SPDX-License-Identifier: Apache-2.0
import { posix } from 'node:path';
import type { MountEntry } from '../os/mountinfo.ts';

/** The layers of an overlay mount as its options name them, paths of the program that mounted it. */
export interface OverlayLayers {
  /** Topmost first. May be relative, see `resolveLayers`. */
  readonly lower: readonly string[];
  /** Undefined for an overlay that cannot be written. */
  readonly upper?: string;
}

/** Takes the layers from a mountinfo entry; undefined where it is no overlay. */
export function overlayLayers(mount: MountEntry): OverlayLayers | undefined {
  if (mount.type !== 'overlay') return undefined;
  const values = (key: string): string[] => mount.options.flatMap(([name, value]) => (name === key ? [value] : []));
  // `lowerdir+` (Linux 6.8): one layer for each option, not escaped further. `lowerdir`: all, separated by colons.
  const lower = [...values('lowerdir').flatMap(splitColons), ...values('lowerdir+')];
  const [upper] = values('upperdir');
  return upper === undefined ? { lower } : { lower, upper: unescape(upper) };
}

/** A backslash stands before a colon or backslash that belongs to a name. */
function splitColons(value: string): string[] {
  return (value.match(/(?:\\.|[^\\:])+/g) ?? []).map(unescape);
}

function unescape(path: string): string {
  return path.replace(/\\(.)/g, '$1');
}

/**
 * Makes relative layers absolute. Where the options would not fit in one page, containerd and CRI-O change into a
 * folder and name the lower layers relative to it; the mount does not tell which folder. The upper layer stays absolute
 * and lies below that folder, so the nearest folder above it in which all lower layers exist is taken. `exists` tells
 * whether an absolute path of the host is a folder. Undefined where there is no such folder.
 */
export function resolveLayers(layers: OverlayLayers, exists: (path: string) => boolean): OverlayLayers | undefined {
  const { lower, upper } = layers;
  if (lower.every((path) => path.startsWith('/'))) return layers;
  if (upper?.startsWith('/') !== true) return undefined;
  for (let base = posix.dirname(upper); base !== '/'; base = posix.dirname(base)) {
    const absolute = lower.map((path) => posix.resolve(base, path));
    if (absolute.every(exists)) return { lower: absolute, upper };
  }
  return undefined;
}

/**
 * Whether the layers are named by folders that are gone. For a pod with a user namespace containerd mounts the layers
 * with shifted ids at `ovl-idmapped<n>` in a folder for temporary files, mounts the overlay of these and unmounts them.
 */
export function namesAreGone(layers: OverlayLayers): boolean {
  return layers.lower.some((path) => /\/ovl-idmapped\d+(?:\/|$)/.test(path));
}

/**
 * Layers that an overlay whose own names are gone may consist of: the other snapshots beside its writable layer
 * (`<snapshots>/<number>/fs`) that are older, latest first. More than its own are no harm: a file of the overlay has
 * the inode either of its writable layer or of one of its own lower layers, so a file of the same inode in any other
 * snapshot is one of the latter. `numbers` are the names in the folder of the snapshots. Undefined for another layout.
 */
export function olderSnapshots(
  upper: string,
  numbers: (folder: string) => readonly string[],
): OverlayLayers | undefined {
  const [, folder, own] = /^(\/.+)\/(\d+)\/fs$/.exec(upper) ?? [];
  if (folder === undefined || own === undefined) return undefined;
  const older = numbers(folder)
    .map(Number)
    .filter((number) => number < Number(own));
  return { lower: older.sort((a, b) => b - a).map((number) => `${folder}/${number}/fs`), upper };
}
