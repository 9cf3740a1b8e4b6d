// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { Pod } from '../api/pod.ts';
import type { EdgeDevice, EdgeModule, ModuleIdentity } from '../api/v1alpha1/index.ts';
import type { HostFolder } from '../deliver/host-folders.ts';
import type { Refusal } from './holding.ts';
import { selects } from './label-selector.ts';

/** Can be no pod's name, which has no slash. */
const PREFIX = 'node/';

/** Whether a module of the host runs on the node of this device. */
export function runsOn({ spec, metadata }: EdgeModule, device: EdgeDevice | undefined): boolean {
  if (!spec.host || !device || metadata.deletionTimestamp !== undefined) return false;
  const { nodeNames, deviceSelector } = spec.host;
  return (
    nodeNames?.includes(device.metadata.name ?? '') === true ||
    (deviceSelector !== undefined && selects(deviceSelector, device.metadata.labels ?? {}))
  );
}

/**
 * What stands among a node's pods for a module of the host, which has no pod: whoever holds identities is known by uid,
 * namespace and name. It has no container, so that every rule on pods refuses it.
 */
export function standIn({ metadata }: EdgeModule, node: string): Pod {
  const { namespace = '', uid = '' } = metadata;
  return {
    metadata: { namespace, name: `${PREFIX}${node}`, uid: standInUid(uid, node) },
    spec: { nodeName: node, containers: [] },
  };
}

/** The folder of a module of the host on its node. */
export function hostFolder({ metadata, spec }: EdgeModule, node: string): HostFolder {
  const { namespace = '', name = '', uid = '' } = metadata;
  const owner = { uid: spec.process.uid ?? 0, gid: spec.process.gid ?? 0 };
  return { uid: standInUid(uid, node), namespace, module: name, holder: `${PREFIX}${node}`, owner };
}

/** A UUID of version 8 (RFC 9562), which is never a pod's: the API server makes those of version 4. */
export function standInUid(moduleUid: string, node: string): string {
  const digest = createHash('sha256').update(`keystead host module\n${moduleUid}\n${node}`).digest();
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  return digest.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const NO_FOLDER =
  'The folder of this module is not there: set hostModules.enabled in the chart, or see the log of the agent.';

/** Whether it is the name of a stand-in rather than of a pod. */
export function isStandIn(podName: string): boolean {
  return podName.startsWith(PREFIX);
}

/** Why an identity cannot be delivered to a module of the host, with its `folder` there or not; undefined where it can. */
export function undeliverable({ spec, metadata }: ModuleIdentity, folder: boolean): Refusal | undefined {
  if (!folder) return { reason: 'FolderMissing', message: NO_FOLDER };
  const field = spec.delivery.includes('Secret')
    ? 'delivery Secret'
    : spec.iotEdge?.keysSecretName !== undefined && 'iotEdge.keysSecretName';
  if (field === false) return undefined;
  const message = `A module of the host has no pod, and ${field} of ModuleIdentity ${metadata.name ?? ''} needs one: take it out.`;
  return { reason: 'PodNeeded', message };
}
