// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { CSI_DRIVER } from '../../api/names.ts';
import { Identity, Node, NodeServiceCapability_RPC_Type } from '../../gen/csi/v1/csi_pb.js';
import { GrpcServer } from '../../grpc/server.ts';
import type { Logger } from '../../log.ts';
import { tmpfsMounts } from '../tmpfs-mounts.ts';
import type { VolumeStore } from '../volume.ts';
import { NodeService, type VolumeEvents } from './node.ts';
import { VolumeRecords } from './records.ts';
import { RegistrationService } from './registration.ts';
import { serveAt } from './socket.ts';

export interface CsiDriverOptions extends VolumeEvents {
  /** The kubelet's --root-dir, at the same path in this process's mount namespace, with mounts propagated both ways. */
  readonly kubeletRoot: string;
  /** Survives restarts of this process; holds no secret. */
  readonly stateDir: string;
  readonly nodeName: string;
  /** Default: the product's. */
  readonly driverName?: string;
  /** Told to the kubelet as vendor version. */
  readonly version?: string;
  readonly volumes: VolumeStore;
  readonly log: Logger;
  /** Uid of the pod that a process is in. Such a one may not call. */
  readonly podOf: (pid: number) => string | undefined;
}

export interface CsiDriver {
  /** Whether the kubelet has accepted this driver. */
  readonly registered: boolean;
  /** Whether another agent has taken over the driver's socket, and with it this node. */
  readonly replaced: boolean;
  /** Stops serving after open calls have ended. Volumes stay mounted. */
  stop(): Promise<void>;
}

/**
 * Recovers the volumes of this node, then serves the CSI Identity and Node services and the kubelet's plugin
 * registration. When it resolves, `volumes` holds what is mounted and the kubelet may call.
 */
export async function startCsiDriver(options: CsiDriverOptions): Promise<CsiDriver> {
  const { kubeletRoot, stateDir, nodeName, volumes, log, podOf, driverName = CSI_DRIVER, version = '0' } = options;
  const records = new VolumeRecords(stateDir);
  const mounts = tmpfsMounts(driverName);
  const node = new NodeService({ kubeletRoot, records, volumes, mounts, events: options, log });
  await node.recover();

  const csi = await serveAt(
    csiServer(node, { driverName, version, nodeName }),
    join(kubeletRoot, 'plugins', driverName, 'csi.sock'),
    { podOf, log },
  );
  const registration = new RegistrationService(driverName, csi.path, log);
  // Last: the kubelet calls the CSI socket as soon as it sees this one.
  const registry = await serveAt(
    registration.server(),
    join(kubeletRoot, 'plugins_registry', `${driverName}-reg.sock`),
    { podOf, log },
  );
  return {
    get registered() {
      return registration.registered;
    },
    get replaced() {
      return csi.replaced;
    },
    async stop() {
      // First: without it the kubelet stops calling.
      await registry.stop();
      await csi.stop();
    },
  };
}

interface Names {
  readonly driverName: string;
  readonly version: string;
  readonly nodeName: string;
}

/** CSI spec, Identity Service RPC and Node Service RPC. What is not here answers UNIMPLEMENTED. */
function csiServer(node: NodeService, { driverName, version, nodeName }: Names): GrpcServer {
  const server = new GrpcServer();
  server.addService(Identity, {
    getPluginInfo: () => Promise.resolve({ name: driverName, vendorVersion: version }),
    // No controller service: inline volumes need none.
    getPluginCapabilities: () => Promise.resolve({}),
    probe: () => Promise.resolve({ ready: true }),
  });
  // With VOLUME_MOUNT_GROUP the kubelet passes fsGroup here and keeps its own chown and chmod away from the files.
  const mountGroup = { case: 'rpc', value: { type: NodeServiceCapability_RPC_Type.VOLUME_MOUNT_GROUP } } as const;
  server.addService(Node, {
    nodePublishVolume: (request) => node.publish(request).then(() => ({})),
    nodeUnpublishVolume: (request) => node.unpublish(request).then(() => ({})),
    nodeGetCapabilities: () => Promise.resolve({ capabilities: [{ type: mountGroup }] }),
    nodeGetInfo: () => Promise.resolve({ nodeId: nodeName }),
  });
  return server;
}
