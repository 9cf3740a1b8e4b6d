// SPDX-License-Identifier: Apache-2.0
import { CONTROLLER_MANAGER } from '../src/api/names.ts';
import type { LabelSelector } from '../src/api/label-selector.ts';
import { edgeDevices } from '../src/api/resources.ts';
import type { EdgeDevice, EdgeDeviceSpec } from '../src/api/v1alpha1/index.ts';
import { selects } from '../src/identity/label-selector.ts';
import { isApiError, type KubeClient, type KubeObject } from '../src/kube/index.ts';
import type { Cache } from './cache.ts';

/** What the installation wants for nodes that have no EdgeDevice. */
export interface DeviceTemplate {
  /** Labels of the nodes that get one; empty: all. */
  readonly nodes: LabelSelector;
  readonly spec: EdgeDeviceSpec;
}

export interface EdgeDevicePorts {
  readonly client: Pick<KubeClient, 'create'>;
  readonly template: DeviceTemplate;
  readonly nodes: Cache<KubeObject>;
  readonly devices: Cache<EdgeDevice>;
}

/**
 * Reconciles Nodes: one that the template selects and that has no EdgeDevice gets one, once. What is there is
 * never changed. The EdgeDevice belongs to its Node, so that a node that leaves takes its authority out of trust.
 */
export class EdgeDevices {
  readonly #ports: EdgeDevicePorts;

  constructor(ports: EdgeDevicePorts) {
    this.#ports = ports;
  }

  async reconcile(node: string): Promise<void> {
    const { nodes, devices, template, client } = this.#ports;
    const found = nodes.get(node);
    if (!found?.metadata || found.metadata.deletionTimestamp !== undefined || devices.get(node)) return;
    if (!selects(template.nodes, found.metadata.labels ?? {})) return;
    const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid: found.metadata.uid ?? '' };
    const device = {
      apiVersion: 'keystead.dev/v1alpha1',
      kind: 'EdgeDevice',
      metadata: { name: node, ownerReferences: [owner] },
      spec: template.spec,
    } as const;
    try {
      await client.create(edgeDevices, device, { fieldManager: CONTROLLER_MANAGER });
    } catch (thrown) {
      if (!isApiError(thrown, 'AlreadyExists')) throw thrown;
    }
  }
}
