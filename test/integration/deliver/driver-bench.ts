// SPDX-License-Identifier: Apache-2.0
import { expect } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { startCsiDriver, type CsiDriver } from '../../../src/deliver/csi/driver.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { Node, type NodePublishVolumeRequest } from '../../../src/gen/csi/v1/csi_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { createLogger } from '../../../src/log.ts';
import { TestNode } from './fixture.ts';

export const NAME = 'csi-test.keystead.dev';

/** The driver on a node of its own, called through its sockets as a kubelet would. */
export class DriverBench {
  readonly node = new TestNode();
  readonly csi = new GrpcClient(this.csiSocket());
  readonly registry = new GrpcClient(this.registrySocket());
  /** What was logged, one JSON text a line. */
  readonly lines: string[] = [];
  /** Volumes of which the driver said that they are gone. */
  readonly gone: PublishedVolume[] = [];
  bundle: () => string = () => 'BUNDLE\n';
  /** What the kubelet has handed over for the node. */
  readonly secrets: Readonly<Record<string, string>>[] = [];
  takeSecret: () => Promise<void> = () => Promise.resolve();
  volumes = new VolumeStore();
  /** The pod that callers of the driver are in. */
  callerPod: string | undefined;
  driver!: CsiDriver;

  csiSocket(): string {
    return join(this.node.kubeletRoot, 'plugins', NAME, 'csi.sock');
  }

  registrySocket(): string {
    return join(this.node.kubeletRoot, 'plugins_registry', `${NAME}-reg.sock`);
  }

  async begin(): Promise<void> {
    this.driver = await this.start(this.volumes);
  }

  start(volumes: VolumeStore): Promise<CsiDriver> {
    return startCsiDriver({
      kubeletRoot: this.node.kubeletRoot,
      stateDir: this.node.stateDir,
      nodeName: 'edge-1',
      driverName: NAME,
      version: '1.2.3',
      volumes,
      podOf: () => this.callerPod,
      onPublish: () => this.bundle(),
      onSecret: (_volume, secret) => {
        this.secrets.push(secret);
        return this.takeSecret();
      },
      onUnpublish: (volume) => void this.gone.push(volume),
      log: createLogger('test', 'debug', { write: (line) => void this.lines.push(line) }),
    });
  }

  /** As after an upgrade of the agent: nothing is left in memory. */
  async restart(): Promise<void> {
    await this.driver.stop();
    this.volumes = new VolumeStore();
    await this.begin();
  }

  async end(): Promise<void> {
    this.csi.close();
    this.registry.close();
    await this.driver.stop();
    this.node.remove();
  }

  async publish(request: NodePublishVolumeRequest): Promise<void> {
    await this.csi.unary(Node.method.nodePublishVolume, request);
  }

  async unpublish({ volumeId, targetPath }: { volumeId: string; targetPath: string }): Promise<void> {
    await this.csi.unary(Node.method.nodeUnpublishVolume, { volumeId, targetPath });
  }

  records(): string[] {
    return readdirSync(join(this.node.stateDir, 'volumes'));
  }

  expectNothingLeft(): void {
    expect(this.node.mounts()).toEqual([]);
    expect(this.records()).toEqual([]);
    expect(this.volumes.list()).toEqual([]);
  }
}
