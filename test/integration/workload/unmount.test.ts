// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { existsSync, symlinkSync } from 'node:fs';
import { Incarnations } from '../../../src/attest/incarnation.ts';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startCsiDriver, type CsiDriver } from '../../../src/deliver/csi/driver.ts';
import { VolumeStore } from '../../../src/deliver/volume.ts';
import { Node } from '../../../src/gen/csi/v1/csi_pb.js';
import { GrpcClient } from '../../../src/grpc/client.ts';
import { HeldSockets } from '../../../src/os/held-sockets.ts';
import { createLogger } from '../../../src/log.ts';
import { WorkloadApi } from '../../../src/workload/workload-api.ts';
import { NO_NOTARY } from '../../fakes/notary-api.ts';
import { isRoot, TestNode } from '../deliver/fixture.ts';

const incarnations = new Incarnations();

const log = createLogger('test', 'fatal');
const asRoot = isRoot ? it : it.skip;
let node: TestNode;
let api: WorkloadApi;
let driver: CsiDriver;
let kubelet: GrpcClient;

beforeEach(async () => {
  node = new TestNode();
  api = new WorkloadApi({
    notary: NO_NOTARY,
    log,
    held: new HeldSockets(),
    socket: 'spiffe.sock',
    identityAttribute: 'identity',
    incarnationOf: (process) => incarnations.of(process),
    ports: {
      trust: () => ({ own: { anchors: '', keys: [] }, foreign: new Map() }),
      terms: () => undefined,
      issueToken: () => Promise.reject(new Error('no notary')),
      standing: () => ({ state: 'Pending' }),
      judge: () => Promise.resolve(undefined),
    },
  });
  const { kubeletRoot, stateDir } = node;
  driver = await startCsiDriver({
    ...{ kubeletRoot, stateDir, log },
    nodeName: 'node-1',
    driverName: 'd',
    volumes: new VolumeStore(),
    onPublish: (volume) => {
      api.open(volume);
      return '-----BEGIN CERTIFICATE-----\n';
    },
    beforeUnmount: (volume) => api.close(volume),
    onUnpublish: () => undefined,
    podOf: () => undefined,
  });
  kubelet = new GrpcClient(join(kubeletRoot, 'plugins/d/csi.sock'));
});
afterEach(async () => {
  kubelet.close();
  api.stop();
  await driver.stop();
  node.remove();
});

asRoot('a volume with an open socket is unmounted for good, with the connections through it', async () => {
  const request = node.request('0f9d0c1a-8f0e-4b3a-9a53-6ab37f4c7a11');
  const { volumeId, targetPath } = request;
  await kubelet.unary(Node.method.nodePublishVolume, request);
  expect(existsSync(join(targetPath, 'spiffe.sock'))).toBe(true);
  // The kubelet asks again and again: one socket all the same.
  await kubelet.unary(Node.method.nodePublishVolume, request);
  // Deeper than the address of a socket may be: a module sees it at the short path of its mount.
  symlinkSync(targetPath, join(node.root, 'v'));
  const caller = connect(join(node.root, 'v/spiffe.sock'));
  await once(caller, 'connect');
  caller.on('error', () => undefined).resume();
  const ended = once(caller, 'close');
  await kubelet.unary(Node.method.nodeUnpublishVolume, { volumeId, targetPath });
  await ended;
  expect(existsSync(targetPath)).toBe(false);
  expect(node.mounts()).toEqual([]);
});
