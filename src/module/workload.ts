// SPDX-License-Identifier: Apache-2.0
import {
  API_VERSION,
  ATTESTED_GATE,
  MODULE_LABEL,
  MOUNT_PATH,
  NRI_PLUGIN,
  NRI_REQUIRED_PLUGINS,
  REQUIRES_IDENTITY_ANNOTATION,
} from '../api/names.ts';
import type { EdgeModule, ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { Refusal } from '../identity/holding.ts';
import type { Container, DaemonSet, Deployment, PodSpec } from '../kube/kinds.ts';
import type { OwnerReference } from '../kube/resource.ts';
import { identityMounts, mountConflict, type IdentityMount } from './identity-mount.ts';
import { pinned } from './image-pin.ts';

/** The workload of a template module. */
export type Workload =
  | { readonly kind: 'Deployment'; readonly object: Deployment }
  | { readonly kind: 'DaemonSet'; readonly object: DaemonSet };

/** Longest value of a label; the module's name is one. */
const LABEL_LENGTH = 63;

/**
 * The workload that a template module asks for: the native pod template with images pinned by digest, the module's
 * identities mounted into its container, the readiness gate and the environment added. A refusal, with what to do,
 * where template and rules do not go together. Deterministic: equal input gives an equal object.
 */
export function workloadOf(module: EdgeModule, identities: readonly ModuleIdentity[]): Workload | Refusal {
  const { metadata, spec } = module;
  const { template } = spec;
  const { name = '', namespace = '' } = metadata;
  if (!template)
    return { reason: 'NoTemplate', message: 'The module has no template: somebody else deploys its pods.' };
  if (name.length > LABEL_LENGTH) {
    return {
      reason: 'NameTooLong',
      message: `The name has ${name.length} characters; as a label of its pods it may have ${LABEL_LENGTH}.`,
    };
  }
  const planned = podSpecOf(module, identities);
  if ('reason' in planned) return planned;
  const labels = { 'app.kubernetes.io/managed-by': 'keystead', [MODULE_LABEL]: name };
  const pod = {
    metadata: {
      labels: { ...template.pod.metadata?.labels, [MODULE_LABEL]: name },
      ...annotationsOf(module),
    },
    spec: planned.podSpec,
  };
  const common = { selector: { matchLabels: { [MODULE_LABEL]: name } }, template: pod };
  const meta = { metadata: { name, namespace, labels, ownerReferences: [ownedBy(module)] } };
  if (template.kind === 'DaemonSet') return { kind: 'DaemonSet', object: { ...meta, spec: common } };
  const replicas = spec.desiredState === 'Stopped' ? 0 : template.replicas;
  return { kind: 'Deployment', object: { ...meta, spec: { replicas, ...common } } };
}

/** A module that must not start without its identity says so to the agent, and to NRI's own validator where that is switched on. */
function annotationsOf({ spec }: EdgeModule): { annotations?: Record<string, string> } {
  const pod = spec.template?.pod;
  const given = pod?.metadata?.annotations;
  const container = spec.container ?? pod?.spec.containers[0]?.name;
  if (spec.startPolicy !== 'Require' || container === undefined) return given ? { annotations: given } : {};
  const required = {
    [REQUIRES_IDENTITY_ANNOTATION]: container,
    [`${NRI_REQUIRED_PLUGINS}/container.${container}`]: JSON.stringify([NRI_PLUGIN]),
  };
  return { annotations: { ...given, ...required } };
}

/** The reference by which the API server deletes what a module owns together with the module. */
export function ownedBy({ metadata }: EdgeModule): OwnerReference {
  const { name = '', uid = '' } = metadata;
  return { apiVersion: API_VERSION, kind: 'EdgeModule', name, uid, controller: true, blockOwnerDeletion: false };
}

function podSpecOf(
  { metadata, spec }: EdgeModule,
  identities: readonly ModuleIdentity[],
): { podSpec: PodSpec } | Refusal {
  const given = spec.template?.pod.spec as unknown as PodSpec;
  const own = given.containers.find(({ name }) => name === spec.container) ?? given.containers[0];
  if (!own) return { reason: 'NoContainer', message: 'The template has no container.' };
  const unpinned = [...given.containers, ...(given.initContainers ?? [])].find(
    ({ image = '' }) => pinned(image, spec.images) === undefined,
  );
  if (unpinned) return tagNotPinned(unpinned);
  const mounts = identityMounts(identities, given);
  const conflict = mountConflict(mounts, given, own);
  if (conflict) return conflict;
  const pin = (container: Container): Container => ({
    ...container,
    image: pinned(container.image ?? '', spec.images) ?? '',
  });
  const volumes = [...(given.volumes ?? []), ...mounts.map(({ volume }) => volume)];
  const gates = (given.readinessGates ?? []).filter(({ conditionType }) => conditionType !== ATTESTED_GATE);
  const podSpec = {
    ...given,
    readinessGates: [...gates, { conditionType: ATTESTED_GATE }],
    ...(volumes.length > 0 && { volumes }),
    ...(given.initContainers && { initContainers: given.initContainers.map(pin) }),
    containers: given.containers.map((container) =>
      container === own ? equipped(pin(container), mounts, metadata.name ?? '') : pin(container),
    ),
  };
  return { podSpec };
}

/** The module's own container: the only one that sees an identity. */
function equipped(container: Container, mounts: readonly IdentityMount[], module: string): Container {
  const env = container.env ?? [];
  const named = new Set(env.map(({ name }) => name));
  const added = [
    { name: 'KEYSTEAD_MODULE', value: module },
    ...(mounts.length > 0 ? [{ name: 'KEYSTEAD_IDENTITY_DIR', value: MOUNT_PATH }] : []),
    ...firstOf(mounts, 'spiffe'),
    ...firstOf(mounts, 'iotEdge'),
  ].filter(({ name }) => !named.has(name));
  const volumeMounts = [
    ...(container.volumeMounts ?? []),
    ...mounts.map(({ volume, mountPath }) => ({ name: volume.name, mountPath, readOnly: true })),
  ];
  return { ...container, env: [...env, ...added], ...(volumeMounts.length > 0 && { volumeMounts }) };
}

/** Of several the first: each socket serves all of the pod's identities, its own as the default. */
function firstOf(
  mounts: readonly IdentityMount[],
  api: keyof IdentityMount['environment'],
): NonNullable<Container['env']> {
  return mounts.find(({ environment }) => environment[api].length > 0)?.environment[api] ?? [];
}

function tagNotPinned({ name, image = '' }: Container): Refusal {
  return {
    reason: 'TagNotPinned',
    message: `Image ${image} of container ${name} has no digest. Write ${image}@sha256:<digest>, or give the digest in spec.images under the name ${image}.`,
  };
}
