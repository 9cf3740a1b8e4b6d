// SPDX-License-Identifier: Apache-2.0
import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Credentials } from '../../../src/deliver/port.ts';
import { Identity, Node, NodePublishVolumeRequestSchema } from '../../../src/gen/csi/v1/csi_pb.js';
import { KeysteadError } from '../../../src/errors.ts';
import { Registration } from '../../../src/gen/pluginregistration/v1/api_pb.js';
import { hasStatus } from '../../../src/grpc/status.ts';
import { mountTmpfs, unmountAll } from '../../../src/os/mount.ts';
import { DriverBench, NAME } from './driver-bench.ts';
import { isRoot, makeCredentials } from './fixture.ts';

const OWNER = { uid: 10001, gid: 10001 };
const TMPFS = { source: 'stranger', sizeBytes: 1 << 20, inodes: 64, mode: 0o755 };

const expectStatus = async (call: Promise<unknown>, code: status, message: string): Promise<void> => {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(String(error)).toContain(message);
  expect(hasStatus(error, code)).toBe(true);
};

(isRoot ? describe : describe.skip)('the CSI driver', () => {
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

  it('says what it is and what it can', async () => {
    await expect(bench.csi.unary(Identity.method.getPluginInfo, {})).resolves.toMatchObject({
      name: NAME,
      vendorVersion: '1.2.3',
    });
    expect((await bench.csi.unary(Identity.method.getPluginCapabilities, {})).capabilities).toEqual([]);
    await expect(bench.csi.unary(Identity.method.probe, {})).resolves.toMatchObject({ ready: true });
    await expect(bench.csi.unary(Node.method.nodeGetInfo, {})).resolves.toMatchObject({ nodeId: 'edge-1' });
    const { capabilities } = await bench.csi.unary(Node.method.nodeGetCapabilities, {});
    expect(capabilities.map(({ type }) => type.value?.type)).toEqual([6 /* VOLUME_MOUNT_GROUP */]);
    await expectStatus(bench.csi.unary(Node.method.nodeStageVolume, {}), status.UNIMPLEMENTED, 'UNIMPLEMENTED');
  });

  it('registers with the kubelet and tells whether it was taken', async () => {
    await expect(bench.registry.unary(Registration.method.getInfo, {})).resolves.toMatchObject({
      type: 'CSIPlugin',
      name: NAME,
      endpoint: bench.csiSocket(),
      supportedVersions: ['1.0.0'],
    });
    expect(bench.driver.registered).toBe(false);
    await bench.registry.unary(Registration.method.notifyRegistrationStatus, { pluginRegistered: true });
    expect(bench.driver.registered).toBe(true);
    await bench.registry.unary(Registration.method.notifyRegistrationStatus, {
      pluginRegistered: false,
      error: 'no thanks',
    });
    expect(bench.driver.registered).toBe(false);
    expect(bench.lines.join('')).toContain('no thanks');
  });

  it('publishes: the bundle lies there when the call returns, and nothing else', async () => {
    const request = bench.node.request('pod-1', { fsGroup: '2000', attributes: { identity: 'sensor' } });
    await bench.publish(request);
    expect(readdirSync(request.targetPath).filter((name) => !name.startsWith('..'))).toEqual([
      'ca.crt',
      'trust-bundle.pem',
    ]);
    expect(readFileSync(join(request.targetPath, 'ca.crt'), 'utf8')).toBe('BUNDLE\n');
    expect(bench.volumes.of('pod-1')).toEqual({
      volumeId: 'csi-pod-1',
      targetPath: request.targetPath,
      podUid: 'pod-1',
      podNamespace: 'plant',
      podName: 'name-of-pod-1',
      fsGroup: 2000,
      attributes: { identity: 'sensor' },
    });
    expect(bench.records()).toHaveLength(1);
  });

  it('takes the same call again and again: new bundle in, credentials untouched', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    bench.volumes.writeCredentials(bench.volumes.of('pod-1')!, pair, OWNER);
    bench.bundle = () => 'NEXT\n';
    await bench.publish(request);
    await bench.publish(request);
    expect(bench.node.mounts()).toEqual([request.targetPath]);
    expect(readFileSync(join(request.targetPath, 'ca.crt'), 'utf8')).toBe('NEXT\n');
    expect(bench.volumes.readCredentials(bench.volumes.of('pod-1')!)).toEqual(pair);
  });

  it('serves twenty calls for one volume at once as if they were one', async () => {
    const request = bench.node.request('pod-1');
    await Promise.all(Array.from({ length: 20 }, () => bench.publish(request)));
    expect(bench.node.mounts()).toEqual([request.targetPath]);
    expect(bench.records()).toHaveLength(1);
    expect(bench.lines.filter((line) => line.includes('volume mounted'))).toHaveLength(1);
    await Promise.all(Array.from({ length: 20 }, () => bench.unpublish(request)));
    bench.expectNothingLeft();
    expect(bench.gone).toHaveLength(1);
  });

  it('hands on the Secret that comes with a volume, and leaves it nowhere', async () => {
    const request = { ...bench.node.request('csi-1'), secrets: { primary: 'VERYSECRET' } };
    bench.takeSecret = () => Promise.reject(new KeysteadError('Unavailable', 'the notary is away'));
    await expectStatus(bench.publish(request), status.UNAVAILABLE, 'the notary is away');
    bench.expectNothingLeft();
    bench.takeSecret = () => Promise.reject(new KeysteadError('InvalidConfiguration', 'no key in it'));
    await expectStatus(bench.publish(request), status.FAILED_PRECONDITION, 'no key in it');
    bench.takeSecret = () => Promise.resolve();
    await bench.publish(request);
    expect(bench.secrets).toEqual(Array.from({ length: 3 }, () => request.secrets));
    const records = bench.records().map((name) => readFileSync(join(bench.node.stateDir, 'volumes', name), 'utf8'));
    expect(records).toHaveLength(1);
    expect(`${records.join('')}${bench.lines.join('')}${readdirSync(request.targetPath).join('')}`).not.toMatch(
      /VERYSECRET|primary/,
    );
    await bench.publish(bench.node.request('csi-2'));
    expect(bench.secrets).toHaveLength(3);
  });

  it('ends clean when publish and unpublish of one volume overtake each other', async () => {
    const request = bench.node.request('pod-1');
    const calls = Array.from({ length: 40 }, (_, n) =>
      n % 3 === 2 ? bench.unpublish(request) : bench.publish(request),
    );
    await Promise.all(calls);
    await bench.unpublish(request);
    bench.expectNothingLeft();
    expect(existsSync(request.targetPath)).toBe(false);
  });

  it('refuses bad requests by CSI status, and does nothing', async () => {
    const good = bench.node.request('pod-1');
    const changed = (change: object) => create(NodePublishVolumeRequestSchema, { ...good, ...change });
    await expectStatus(bench.publish(changed({ volumeId: '' })), status.INVALID_ARGUMENT, 'volume_id is empty');
    await expectStatus(bench.publish(changed({ readonly: false })), status.INVALID_ARGUMENT, 'set readOnly: true');
    await expectStatus(
      bench.publish(changed({ volumeContext: {} })),
      status.FAILED_PRECONDITION,
      'podInfoOnMount: true',
    );
    await expectStatus(
      bench.unpublish({ volumeId: 'x', targetPath: '/etc' }),
      status.INVALID_ARGUMENT,
      'target_path /etc',
    );
    bench.expectNothingLeft();
  });

  it('refuses other arguments while the volume stands, and takes them once it is gone', async () => {
    await bench.publish(bench.node.request('pod-1'));
    const other = bench.node.request('pod-1', { fsGroup: '7' });
    await expectStatus(bench.publish(other), status.FAILED_PRECONDITION, 'already published at');
    await bench.unpublish(other);
    await bench.publish(other);
    expect(bench.volumes.of('pod-1')?.fsGroup).toBe(7);
  });

  it('answers UNAVAILABLE, so that the kubelet tries again, for whatever may pass', async () => {
    const request = bench.node.request('pod-1');
    bench.bundle = () => '';
    await expectStatus(bench.publish(request), status.UNAVAILABLE, 'the trust bundle is not known yet');
    bench.bundle = () => {
      throw new Error('store is closed');
    };
    await expectStatus(bench.publish(request), status.UNAVAILABLE, 'store is closed');
    bench.bundle = () => 'BUNDLE\n';
    await bench.publish(request);
    expect(bench.node.mounts()).toEqual([request.targetPath]);

    const deleted = bench.node.request('pod-2');
    rmSync(bench.node.podDirectory('pod-2'), { recursive: true });
    await expectStatus(bench.publish(deleted), status.UNAVAILABLE, 'ENOENT');
    expect(existsSync(bench.node.podDirectory('pod-2'))).toBe(false);
  });

  it('unpublishes what was never published, twice, and without a mount', async () => {
    await bench.unpublish(bench.node.request('pod-0'));
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    unmountAll(request.targetPath);
    await bench.unpublish(request);
    await bench.unpublish(request);
    bench.expectNothingLeft();
    expect(existsSync(request.targetPath)).toBe(false);
    expect(bench.gone.map(({ podUid }) => podUid)).toEqual(['pod-1']);
  });

  it('takes the key out of a mount that somebody still holds', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    bench.volumes.writeCredentials(bench.volumes.of('pod-1')!, pair, OWNER);
    const holder = spawn('sleep', ['60'], { cwd: request.targetPath, stdio: 'ignore' });
    try {
      const view = `/proc/${holder.pid!}/cwd`;
      for (let n = 0; n < 100 && !existsSync(join(view, 'tls.key')); n++) await pause(20);
      await bench.unpublish(request);
      bench.expectNothingLeft();
      expect(existsSync(join(view, 'ca.crt'))).toBe(true);
      expect(existsSync(join(view, 'tls.key'))).toBe(false);
    } finally {
      holder.kill();
    }
  });

  it('writes nothing that was under way when the volume went', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    const volume = bench.volumes.of('pod-1')!;
    await bench.unpublish(request);
    mkdirSync(request.targetPath);
    expect(() => bench.volumes.writeCredentials(volume, pair, OWNER)).toThrow('not published on this node any more');
    expect(readdirSync(request.targetPath)).toEqual([]);
  });

  it('takes away every mount where two were stacked', async () => {
    const request = bench.node.request('pod-1');
    await bench.publish(request);
    mountTmpfs(request.targetPath, TMPFS);
    await bench.unpublish(request);
    bench.expectNothingLeft();
  });
});
