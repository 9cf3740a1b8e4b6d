// SPDX-License-Identifier: Apache-2.0
import { MODULE_LABEL } from '../api/names.ts';
import type { Pod } from '../api/pod.ts';
import type { EdgeModule } from '../api/v1alpha1/index.ts';
import type { Digest, ModulePolicy } from '../attest/port.ts';
import { selects } from './label-selector.ts';

/**
 * The modules of the pod's namespace that claim the pod: template modules by the label that the controller writes,
 * selector modules by their selector. More than one is a conflict, which attestation refuses.
 */
export function modulesOf(pod: Pod, modules: readonly EdgeModule[]): EdgeModule[] {
  const labels = pod.metadata.labels ?? {};
  return modules.filter(({ metadata, spec }) => {
    if (metadata.namespace !== pod.metadata.namespace || metadata.deletionTimestamp !== undefined) return false;
    return spec.selector ? selects(spec.selector, labels) : labels[MODULE_LABEL] === metadata.name;
  });
}

/** What the module's spec allows, in attestation's own terms. */
export function policyOf(module: EdgeModule): ModulePolicy {
  const { metadata, spec } = module;
  const { executables, fromImage, uid, gid } = spec.process;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    digests: digestsOf(module),
    executables,
    fromImage,
    ...(spec.container !== undefined && { container: spec.container }),
    ...(uid !== undefined && { uidAllowed: uid }),
    ...(gid !== undefined && { gidAllowed: gid }),
  };
}

/**
 * Digests named in `images` (those for another image of the template left out), and the one by which the template pins
 * the module's own container.
 */
export function digestsOf({ spec }: EdgeModule): Digest[] {
  const containers = spec.template?.pod.spec.containers ?? [];
  const own = containers.find(({ name }) => name === spec.container) ?? containers[0];
  const pinned = /@(sha256:[0-9a-f]{64})$/.exec(own?.image ?? '')?.[1];
  const images = spec.images.filter(({ name }) => name === undefined || own === undefined || name === own.image);
  return [...new Set([...images.map(({ digest }) => digest), ...(pinned ? [pinned] : [])])];
}
