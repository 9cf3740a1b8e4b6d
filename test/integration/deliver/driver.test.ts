// SPDX-License-Identifier: Apache-2.0
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startCsiDriver, type CsiDriver } from '../../../src/deliver/csi/driver.ts';
import type { Credentials, PublishedVolume } from '../../../src/deliver/port.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import {
  Identity,
  Node,
  NodePublishVolumeRequestSchema,
  type NodePublishVolumeRequest,
} from '../../../src/gen/csi/v1/csi_pb.js';
import { Registration } from '../../../src/gen/pluginregistration/v1/api_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { hasStatus } from '../../../src/grpc/status.ts';
import { createLogger } from '../../../src/log.ts';
import { isMountPoint, mountTmpfs, unmountAll } from '../../../src/os/mount.ts';
import { isRoot, makeCredentials, TestNode } from './fixture.ts';

const NAME = 'csi-test.keystead.dev';
const OWNER = { uid: 10001, gid: 10001 };
const TMPFS = { source: 'stranger', sizeBytes: 1 << 20, inodes: 64, mode: 0o755 };

(isRoot ? describe : describe.skip)('the CSI driver', () => {
  let pair: Credentials;
  let node: TestNode;
  let volumes: VolumeStore;
  let driver: CsiDriver;
  let csi: GrpcClient;
  let registry: GrpcClient;
  let lines: string[];
  let gone: PublishedVolume[];
  let bundle: () => string;

  const start = async (store: VolumeStore): Promise<CsiDriver> =>
    startCsiDriver({
      kubeletRoot: node.kubeletRoot,
      stateDir: node.stateDir,
      nodeName: 'edge-1',
      driverName: NAME,
      version: '1.2.3',
      volumes: store,
      onPublish: () => bundle(),
      onUnpublish: (volume) => void gone.push(volume),
      log: createLogger('test', 'debug', { write: (line) => void lines.push(line) }),
    });
  const csiSocket = (): string => join(node.kubeletRoot, 'plugins', NAME, 'csi.sock');
  const registrySocket = (): string => join(node.kubeletRoot, 'plugins_registry', `${NAME}-reg.sock`);

  beforeAll(() => {
    [pair] = makeCredentials(1) as [Credentials];
  });
  beforeEach(async () => {
    node = new TestNode();
    [lines, gone, bundle] = [[], [], () => 'BUNDLE\n'];
    volumes = new VolumeStore();
    driver = await start(volumes);
    csi = new GrpcClient(csiSocket());
    registry = new GrpcClient(registrySocket());
  });
  afterEach(async () => {
    csi.close();
    registry.close();
    await driver.stop();
    node.remove();
  });

  const publish = (request: NodePublishVolumeRequest) => csi.unary(Node.method.nodePublishVolume, request);
  const unpublish = ({ volumeId, targetPath }: { volumeId: string; targetPath: string }) =>
    csi.unary(Node.method.nodeUnpublishVolume, { volumeId, targetPath });
  const records = (): string[] => readdirSync(join(node.stateDir, 'volumes'));
  const expectStatus = async (call: Promise<unknown>, code: status, message: string): Promise<void> => {
    const error: unknown = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(String(error)).toContain(message);
    expect(hasStatus(error, code)).toBe(true);
  };
  const expectNothingLeft = (): void => {
    expect(node.mounts()).toEqual([]);
    expect(records()).toEqual([]);
    expect(volumes.list()).toEqual([]);
  };
  const restart = async (): Promise<void> => {
    await driver.stop();
    volumes = new VolumeStore();
    driver = await start(volumes);
  };

  it('says what it is and what it can', async () => {
    await expect(csi.unary(Identity.method.getPluginInfo, {})).resolves.toMatchObject({
      name: NAME,
      vendorVersion: '1.2.3',
    });
    expect((await csi.unary(Identity.method.getPluginCapabilities, {})).capabilities).toEqual([]);
    await expect(csi.unary(Identity.method.probe, {})).resolves.toMatchObject({ ready: true });
    await expect(csi.unary(Node.method.nodeGetInfo, {})).resolves.toMatchObject({ nodeId: 'edge-1' });
    const { capabilities } = await csi.unary(Node.method.nodeGetCapabilities, {});
    expect(capabilities.map(({ type }) => type.value?.type)).toEqual([6 /* VOLUME_MOUNT_GROUP */]);
    await expectStatus(csi.unary(Node.method.nodeStageVolume, {}), status.UNIMPLEMENTED, 'UNIMPLEMENTED');
  });

  it('registers with the kubelet and tells whether it was taken', async () => {
    await expect(registry.unary(Registration.method.getInfo, {})).resolves.toMatchObject({
      type: 'CSIPlugin',
      name: NAME,
      endpoint: csiSocket(),
      supportedVersions: ['1.0.0'],
    });
    expect(driver.registered).toBe(false);
    await registry.unary(Registration.method.notifyRegistrationStatus, { pluginRegistered: true });
    expect(driver.registered).toBe(true);
    await registry.unary(Registration.method.notifyRegistrationStatus, { pluginRegistered: false, error: 'no thanks' });
    expect(driver.registered).toBe(false);
    expect(lines.join('')).toContain('no thanks');
  });

  it('lets only root connect, and leaves no socket but its own', () => {
    for (const path of [csiSocket(), registrySocket()]) {
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readdirSync(join(path, '..'))).toHaveLength(1);
    }
  });

  it('publishes: the bundle lies there when the call returns, and nothing else', async () => {
    const request = node.request('pod-1', { fsGroup: '2000', attributes: { identity: 'sensor' } });
    await publish(request);
    expect(readdirSync(request.targetPath).filter((name) => !name.startsWith('..'))).toEqual([
      'ca.crt',
      'trust-bundle.pem',
    ]);
    expect(readFileSync(join(request.targetPath, 'ca.crt'), 'utf8')).toBe('BUNDLE\n');
    expect(volumes.of('pod-1')).toEqual({
      volumeId: 'csi-pod-1',
      targetPath: request.targetPath,
      podUid: 'pod-1',
      podNamespace: 'plant',
      podName: 'name-of-pod-1',
      fsGroup: 2000,
      attributes: { identity: 'sensor' },
    });
    expect(records()).toHaveLength(1);
  });

  it('takes the same call again and again: new bundle in, credentials untouched', async () => {
    const request = node.request('pod-1');
    await publish(request);
    volumes.writeCredentials(volumes.of('pod-1')!, pair, OWNER);
    bundle = () => 'NEXT\n';
    await publish(request);
    await publish(request);
    expect(node.mounts()).toEqual([request.targetPath]);
    expect(readFileSync(join(request.targetPath, 'ca.crt'), 'utf8')).toBe('NEXT\n');
    expect(volumes.readCredentials(volumes.of('pod-1')!)).toEqual(pair);
  });

  it('serves twenty calls for one volume at once as if they were one', async () => {
    const request = node.request('pod-1');
    await Promise.all(Array.from({ length: 20 }, () => publish(request)));
    expect(node.mounts()).toEqual([request.targetPath]);
    expect(records()).toHaveLength(1);
    expect(lines.filter((line) => line.includes('volume mounted'))).toHaveLength(1);
    await Promise.all(Array.from({ length: 20 }, () => unpublish(request)));
    expectNothingLeft();
    expect(gone).toHaveLength(1);
  });

  it('ends clean when publish and unpublish of one volume overtake each other', async () => {
    const request = node.request('pod-1');
    const calls = Array.from({ length: 40 }, (_, n) => (n % 3 === 2 ? unpublish(request) : publish(request)));
    await Promise.all(calls);
    await unpublish(request);
    expectNothingLeft();
    expect(existsSync(request.targetPath)).toBe(false);
  });

  it('refuses bad requests by CSI status, and does nothing', async () => {
    const good = node.request('pod-1');
    const changed = (change: object) => create(NodePublishVolumeRequestSchema, { ...good, ...change } as never);
    await expectStatus(publish(changed({ volumeId: '' })), status.INVALID_ARGUMENT, 'volume_id is empty');
    await expectStatus(publish(changed({ readonly: false })), status.INVALID_ARGUMENT, 'set readOnly: true');
    await expectStatus(publish(changed({ volumeContext: {} })), status.FAILED_PRECONDITION, 'podInfoOnMount: true');
    await expectStatus(unpublish({ volumeId: 'x', targetPath: '/etc' }), status.INVALID_ARGUMENT, 'target_path /etc');
    expectNothingLeft();
  });

  it('refuses other arguments while the volume stands, and takes them once it is gone', async () => {
    await publish(node.request('pod-1'));
    const other = node.request('pod-1', { fsGroup: '7' });
    await expectStatus(publish(other), status.FAILED_PRECONDITION, 'already published at');
    await unpublish(other);
    await publish(other);
    expect(volumes.of('pod-1')?.fsGroup).toBe(7);
  });

  it('answers UNAVAILABLE, so that the kubelet tries again, for whatever may pass', async () => {
    const request = node.request('pod-1');
    bundle = () => '';
    await expectStatus(publish(request), status.UNAVAILABLE, 'the trust bundle is not known yet');
    bundle = () => {
      throw new Error('store is closed');
    };
    await expectStatus(publish(request), status.UNAVAILABLE, 'store is closed');
    bundle = () => 'BUNDLE\n';
    await publish(request);
    expect(node.mounts()).toEqual([request.targetPath]);

    const deleted = node.request('pod-2');
    rmSync(node.podDirectory('pod-2'), { recursive: true });
    await expectStatus(publish(deleted), status.UNAVAILABLE, 'ENOENT');
    expect(existsSync(node.podDirectory('pod-2'))).toBe(false);
  });

  it('unpublishes what was never published, twice, and without a mount', async () => {
    await unpublish(node.request('pod-0'));
    const request = node.request('pod-1');
    await publish(request);
    unmountAll(request.targetPath);
    await unpublish(request);
    await unpublish(request);
    expectNothingLeft();
    expect(existsSync(request.targetPath)).toBe(false);
    expect(gone.map(({ podUid }) => podUid)).toEqual(['pod-1']);
  });

  it('takes the key out of a mount that somebody still holds', async () => {
    const request = node.request('pod-1');
    await publish(request);
    volumes.writeCredentials(volumes.of('pod-1')!, pair, OWNER);
    const holder = spawn('sleep', ['60'], { cwd: request.targetPath, stdio: 'ignore' });
    try {
      const view = `/proc/${holder.pid!}/cwd`;
      for (let n = 0; n < 100 && !existsSync(join(view, 'tls.key')); n++) await pause(20);
      await unpublish(request);
      expectNothingLeft();
      expect(existsSync(join(view, 'ca.crt'))).toBe(true);
      expect(existsSync(join(view, 'tls.key'))).toBe(false);
    } finally {
      holder.kill();
    }
  });

  it('writes nothing that was under way when the volume went', async () => {
    const request = node.request('pod-1');
    await publish(request);
    const volume = volumes.of('pod-1')!;
    await unpublish(request);
    mkdirSync(request.targetPath);
    expect(() => volumes.writeCredentials(volume, pair, OWNER)).toThrow('not published on this node any more');
    expect(readdirSync(request.targetPath)).toEqual([]);
  });

  it('takes away every mount where two were stacked', async () => {
    const request = node.request('pod-1');
    await publish(request);
    mountTmpfs(request.targetPath, TMPFS);
    await unpublish(request);
    expectNothingLeft();
  });

  it('finds its volumes and their credentials again after a restart', async () => {
    const request = node.request('pod-1', { fsGroup: '2000' });
    await publish(request);
    const before = volumes.list();
    volumes.writeCredentials(before[0]!, pair, OWNER);
    await restart();
    expect(volumes.list()).toEqual(before);
    expect(volumes.readCredentials(volumes.list()[0]!)).toEqual(pair);
    await publish(request);
    expect(node.mounts()).toEqual([request.targetPath]);
    expect(gone).toEqual([]);
  });

  it('after a reboot waits for the kubelet: publishes again or unpublishes', async () => {
    const [kept, ended] = [node.request('pod-1'), node.request('pod-2')];
    await publish(kept);
    await publish(ended);
    unmountAll(kept.targetPath);
    unmountAll(ended.targetPath);
    await restart();
    expect(volumes.list()).toEqual([]);
    expect(node.mounts()).toEqual([]);
    await publish(kept);
    await unpublish(ended);
    expect(node.mounts()).toEqual([kept.targetPath]);
    expect(records()).toHaveLength(1);
  });

  it('drops the records of pods that have left the node, and says so', async () => {
    const request = node.request('pod-1');
    await publish(request);
    unmountAll(request.targetPath);
    rmSync(node.podDirectory('pod-1'), { recursive: true });
    await restart();
    expectNothingLeft();
    expect(gone.map(({ podUid }) => podUid)).toEqual(['pod-1']);
  });

  it('leaves an unreadable record alone, says so, and replaces it at the next publish', async () => {
    const request = node.request('pod-1');
    await publish(request);
    const path = join(node.stateDir, 'volumes', records()[0]!);
    writeFileSync(path, '{"version":1,"volume":{"volumeId":7}}');
    await restart();
    expect(volumes.list()).toEqual([]);
    expect(lines.join('')).toContain('volume record is unreadable');
    await publish(request);
    expect(volumes.list()).toHaveLength(1);
    await unpublish(request);
    expectNothingLeft();
  });

  it('takes over the sockets of a predecessor that still runs, and survives its end', async () => {
    const successor = await start(new VolumeStore());
    await driver.stop();
    const fresh = new GrpcClient(csiSocket());
    await expect(fresh.unary(Identity.method.probe, {})).resolves.toMatchObject({ ready: true });
    fresh.close();
    await successor.stop();
    expect(existsSync(csiSocket())).toBe(false);
    expect(existsSync(registrySocket())).toBe(false);
  });

  it('says what is wrong when the kubelet root is too deep for a socket', async () => {
    const deep = join(node.kubeletRoot, 'x'.repeat(80));
    const started = startCsiDriver({
      kubeletRoot: deep,
      stateDir: node.stateDir,
      nodeName: 'edge-1',
      volumes,
      onPublish: () => '',
      onUnpublish: () => undefined,
      log: createLogger('test', 'silent'),
    });
    await expect(started).rejects.toThrow('is longer than 107 bytes; the kubelet needs a shorter root directory');
  });

  it('unmounts its volumes only when asked: stopping leaves them to their pods', async () => {
    const request = node.request('pod-1');
    await publish(request);
    await driver.stop();
    expect(isMountPoint(request.targetPath)).toBe(true);
    driver = await start(volumes);
  });
});
