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
