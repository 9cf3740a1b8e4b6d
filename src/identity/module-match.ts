// SPDX-License-Identifier: Apache-2.0
import { MODULE_LABEL } from '../api/names.ts';
import type { Pod } from '../api/pod.ts';
import type { EdgeModule } from '../api/v1alpha1/index.ts';
import { durationMs } from '../api/duration.ts';
import type { Digest, ModulePolicy, PodCommand, PodPolicy, PolicyTimes } from '../attest/port.ts';
import { isStandIn, standInUid } from './host-module.ts';
import { selects } from './label-selector.ts';
import { podCommand, type CommandedContainer } from './pod-command.ts';

/**
 * The modules of the pod's namespace that claim the pod: template modules by the label that the controller writes,
 * selector modules by their selector, and a module of the host by what stands for it. More than one is a conflict, which
 * attestation refuses.
 */
export function modulesOf(pod: Pod, modules: readonly EdgeModule[]): EdgeModule[] {
  const labels = pod.metadata.labels ?? {};
  return modules.filter(({ metadata, spec }) => {
    if (metadata.namespace !== pod.metadata.namespace || metadata.deletionTimestamp !== undefined) return false;
    if (spec.host || isStandIn(pod.metadata.name))
      return spec.host !== undefined && isStandInOf(pod, metadata.uid ?? '');
    return spec.selector ? selects(spec.selector, labels) : labels[MODULE_LABEL] === metadata.name;
  });
}

const isStandInOf = ({ metadata, spec }: Pod, moduleUid: string): boolean =>
  metadata.uid === standInUid(moduleUid, spec.nodeName ?? '');

/** What the module's spec allows, in attestation's own terms. */
export function policyOf(module: EdgeModule): ModulePolicy {
  const { metadata, spec } = module;
  const { uid, gid, groups, capabilities, commands, ...process } = spec.process;
  const command = templateCommand(module);
  return {
    ...process,
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    digests: digestsOf(module),
    pod: podPolicy(module),
    window: policyTimes(module),
    ...(spec.host && { host: { unit: spec.host.unit } }),
    ...(spec.signers && { signers: spec.signers }),
    ...(spec.container !== undefined && { container: spec.container }),
    ...(uid !== undefined && { uidAllowed: uid }),
    ...(gid !== undefined && { gidAllowed: gid }),
    ...(groups !== undefined && { groupsAllowed: groups }),
    ...(capabilities !== undefined && { capabilitiesAllowed: capabilities }),
    ...(commands !== undefined && { commands: commands.map(({ argv }) => argv) }),
    ...(command !== undefined && { podCommand: command }),
  };
}

function podPolicy({ spec }: EdgeModule): PodPolicy {
  const { serviceAccountName, allowPrivileged, allowSharedProcessNamespace } = spec.pod;
  const templated = spec.template?.pod.spec as
    Readonly<Record<'serviceAccountName' | 'serviceAccount', string>> | undefined;
  // `serviceAccount` is the old name of the same field.
  const named = templated && (templated.serviceAccountName || templated.serviceAccount || 'default');
  const serviceAccount = serviceAccountName ?? named;
  return {
    owned: spec.template !== undefined,
    allowPrivileged,
    allowSharedProcesses: allowSharedProcessNamespace,
    ...(serviceAccount !== undefined && { serviceAccount }),
  };
}

function policyTimes({ spec: { window = {} } }: EdgeModule): PolicyTimes {
  const { notBefore, notAfter, maxStaleness } = window;
  return {
    ...(notBefore !== undefined && { notBefore: Date.parse(notBefore) }),
    ...(notAfter !== undefined && { notAfter: Date.parse(notAfter) }),
    ...(maxStaleness !== undefined && { maxStalenessMs: durationMs(maxStaleness) }),
  };
}

/** What the template says about the module's own container; undefined without a template. */
function templateCommand({ spec }: EdgeModule): PodCommand | undefined {
  const containers = spec.template?.pod.spec.containers;
  const own = containers?.find(({ name }) => name === spec.container) ?? containers?.[0];
  // The schema passes on what a native container has.
  return own && podCommand(own as CommandedContainer);
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
