// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { pino } from 'pino';
import { NodeService } from '../../../src/deliver/csi/node.ts';
import { VolumeRecords } from '../../../src/deliver/csi/records.ts';
import type { PublishedVolume } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { isMountPoint, mountTmpfs, unmountAll } from '../../../src/os/mount.ts';
import { isRoot, TestNode } from './fixture.ts';

/** Records on a slow disk: whatever could come in between does. */
class SlowRecords extends VolumeRecords {
  override async write(volume: PublishedVolume): Promise<void> {
    await pause(30);
    await super.write(volume);
  }

  override async remove(volumeId: string): Promise<void> {
    await pause(60);
    await super.remove(volumeId);
  }
}

(isRoot ? describe : describe.skip)('calls for one volume on a slow disk', () => {
  let node: TestNode;
  let volumes: VolumeStore;
  let records: SlowRecords;
  let service: NodeService;

  beforeEach(async () => {
    node = new TestNode();
    volumes = new VolumeStore();
    records = new SlowRecords(node.stateDir);
    const tmpfs = { source: 'keystead-test', sizeBytes: 1 << 20, inodes: 64, mode: 0o755 };
    service = new NodeService({
      kubeletRoot: node.kubeletRoot,
      records,
      volumes,
      mounts: { isMounted: isMountPoint, mount: (path) => mountTmpfs(path, tmpfs), unmountAll },
      events: { onPublish: () => 'BUNDLE\n', onUnpublish: () => undefined },
      log: pino({ enabled: false }),
    });
    await service.recover();
  });
  afterEach(() => node.remove());

  it('keeps the record of a volume that is published while its unpublish still ends', async () => {
    const request = node.request('pod-1');
    await service.publish(request);
    await Promise.all([service.unpublish(request), service.publish(request)]);
    expect(node.mounts()).toEqual([request.targetPath]);
    expect(await records.read(request.volumeId)).toMatchObject({ podUid: 'pod-1' });
    expect(volumes.list()).toHaveLength(1);
  });

  it('leaves nothing of a volume that is unpublished while its publish still begins', async () => {
    const request = node.request('pod-1');
    await Promise.all([service.publish(request), service.unpublish(request)]);
    expect(node.mounts()).toEqual([]);
    expect(await records.read(request.volumeId)).toBeUndefined();
    expect(volumes.list()).toEqual([]);
  });

  it('does not let one pod wait for another', async () => {
    const requests = Array.from({ length: 20 }, (_, n) => node.request(`pod-${n}`));
    const begun = performance.now();
    await Promise.all(requests.map((request) => service.publish(request)));
    // One after another they would take 20 times 30 ms.
    expect(performance.now() - begun).toBeLessThan(600);
    expect(node.mounts()).toHaveLength(20);
  });
});
