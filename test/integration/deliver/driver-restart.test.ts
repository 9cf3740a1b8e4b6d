// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCsiDriver } from '../../../src/deliver/csi/driver.ts';
import type { Credentials } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { Identity } from '../../../src/gen/csi/v1/csi_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { createLogger } from '../../../src/log.ts';
import { isMountPoint, unmountAll } from '../../../src/os/mount.ts';
import { DriverBench } from './driver-bench.ts';
import { isRoot, makeCredentials } from './fixture.ts';

const OWNER = { uid: 10001, gid: 10001 };

(isRoot ? describe : describe.skip)('the CSI driver, stopped and started', () => {
  let pair: Credentials;
  let bench: DriverBench;

  beforeAll(() => {
    [pair] = makeCredentials(1) as [Credentials];
  });
  beforeEach(async () => {
    bench = new DriverBench();
    await bench.begin();
  });
  afterEach(() => bench.end());

  it('lets only root connect, and leaves no socket but its own', () => {
    for (const path of [bench.csiSocket(), bench.registrySocket()]) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readdirSync(join(path, '..'))).toHaveLength(1);
    }
  });

  it('hangs up on a process of a pod, though it is root, and says so', async () => {
    const probe = async (): Promise<unknown> => {
      const client = new GrpcClient(bench.csiSocket());
      return client.unary(Identity.method.probe, {}).finally(() => client.close());
    };
    bench.callerPod = 'pod-1';
    await expect(probe()).rejects.toThrow();
    expect(bench.lines.join('')).toContain(`found process ${process.pid} of pod pod-1`);
    bench.callerPod = undefined;
    await expect(probe()).resolves.toMatchObject({ ready: true });
  });

  it('finds its volumes and their credentials again after a restart', async () => {
    const request = bench.node.request('pod-1', { fsGroup: '2000' });
    await bench.publish(request);
    const before = bench.volumes.list();
    bench.volumes.writeCredentials(before[0]!, pair, OWNER);
    await bench.restart();
    expect(bench.volumes.list()).toEqual(before);
    expect(bench.volumes.readCredentials(bench.volumes.list()[0]!)).toEqual(pair);
    await bench.publish(request);
    expect(bench.node.mounts()).toEqual([request.targetPath]);
    expect(bench.gone).toEqual([]);
  });

  it('after a reboot waits for the kubelet: publishes again or unpublishes', async () => {
    const [kept, ended] = [bench.node.request('pod-1'), bench.node.request('pod-2')];
    await bench.publish(kept);
    await bench.publish(ended);
    unmountAll(kept.targetPath);
    unmountAll(ended.targetPath);
    await bench.restart();
    expect(bench.volumes.list()).toEqual([]);
    expect(bench.node.mounts()).toEqual([]);
    await bench.publish(kept);
    await bench.unpublish(ended);
    expect(bench.node.mounts()).toEqual([kept.targetPath]);
    expect(bench.records()).toHaveLength(1);
  });

  it('drops the records of pods that have left the bench.node, and says so', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    unmountAll(request.targetPath);
    rmSync(bench.node.podDirectory('pod-1'), { recursive: true });
    await bench.restart();
    bench.expectNothingLeft();
    expect(bench.gone.map(({ podUid }) => podUid)).toEqual(['pod-1']);
  });

  it('leaves an unreadable record alone, says so, and replaces it at the next publish', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    const path = join(bench.node.stateDir, 'volumes', bench.records()[0]!);
    writeFileSync(path, '{"version":1,"volume":{"volumeId":7}}');
    await bench.restart();
    expect(bench.volumes.list()).toEqual([]);
    expect(bench.lines.join('')).toContain('volume record is unreadable');
    await bench.publish(request);
    expect(bench.volumes.list()).toHaveLength(1);
    await bench.unpublish(request);
    bench.expectNothingLeft();
  });

  it('takes over the sockets of a predecessor that still runs, and survives its end', async () => {
    const successor = await bench.start(new VolumeStore());
    const fresh = new GrpcClient(bench.csiSocket());
    try {
      await bench.driver.stop();
      await expect(fresh.unary(Identity.method.probe, {})).resolves.toMatchObject({ ready: true });
    } finally {
      fresh.close();
      await successor.stop();
    }
    expect(existsSync(bench.csiSocket())).toBe(false);
    expect(existsSync(bench.registrySocket())).toBe(false);
  });

  it('says what is wrong when the kubelet root is too deep for a socket', async () => {
    const deep = join(bench.node.kubeletRoot, 'x'.repeat(80));
    const started = startCsiDriver({
      kubeletRoot: deep,
      stateDir: bench.node.stateDir,
      nodeName: 'edge-1',
      volumes: new VolumeStore(),
      onPublish: () => '',
      onUnpublish: () => undefined,
      podOf: () => undefined,
      log: createLogger('test', 'silent'),
    });
    await expect(started).rejects.toThrow('is longer than 107 bytes; the kubelet needs a shorter root directory');
  });

  it('unmounts its volumes only when asked: stopping leaves them to their pods', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    await bench.driver.stop();
    expect(isMountPoint(request.targetPath)).toBe(true);
    bench.driver = await bench.start(bench.volumes);
  });
});
