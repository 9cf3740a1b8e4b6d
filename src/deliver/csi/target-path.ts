// SPDX-License-Identifier: Apache-2.0
import { join, relative, resolve, sep } from 'node:path';

/** Where in the kubelet's tree a volume is asked for: `<root>/pods/<uid>/volumes/<plugin>/<name>/mount`. */
export interface TargetLocation {
  readonly podUid: string;
  /** The kubelet removes it when the pod has left the node for good. */
  readonly podDirectory: string;
}

/**
 * Locates a target path. Undefined for whatever is not, in so many characters, a path below a pod's volumes: we mount
 * and remove there as root, on the word of the caller.
 */
export function locateTarget(kubeletRoot: string, targetPath: string): TargetLocation | undefined {
  if (resolve(targetPath) !== targetPath) return undefined;
  const [pods, podUid, volumes, ...rest] = relative(resolve(kubeletRoot), targetPath).split(sep);
  if (pods !== 'pods' || volumes !== 'volumes' || rest.length === 0 || !podUid) return undefined;
  return { podUid, podDirectory: join(resolve(kubeletRoot), 'pods', podUid) };
}
