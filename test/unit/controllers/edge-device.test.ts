// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from '@jest/globals';
import { EdgeDevices } from '../../../controllers/edge-device.ts';
import type { EdgeDevice, EdgeDeviceSpec } from '../../../src/api/v1alpha1/index.ts';
import { ApiError } from '../../../src/kube/api-error.ts';
import type { KubeObject } from '../../../src/kube/resource.ts';
import { FakeCache } from '../../fakes/cluster.ts';

const spec = { trustDomain: 'edge.example.org' } as EdgeDeviceSpec;
let made: EdgeDevice[];
let devices: FakeCache<EdgeDevice>;
let nodes: FakeCache<KubeObject>;
let failure: ApiError | undefined;
let reconciler: EdgeDevices;

beforeEach(() => {
  made = [];
  failure = undefined;
  devices = new FakeCache();
  nodes = new FakeCache<KubeObject>([
    { metadata: { name: 'edge-1', uid: 'n1', labels: { edge: 'yes' } } },
    { metadata: { name: 'cloud' } },
  ]);
  const create = (_: unknown, object: EdgeDevice): Promise<EdgeDevice> => {
    if (failure) return Promise.reject(failure);
    made.push(object);
    return Promise.resolve(object);
  };
  const template = { nodes: { matchLabels: { edge: 'yes' } }, spec };
  reconciler = new EdgeDevices({ client: { create: create as never }, template, nodes, devices });
});

describe('a node', () => {
  it('that is selected gets an EdgeDevice of its name, which goes with it', async () => {
    await reconciler.reconcile('edge-1');
    expect(made).toMatchObject([
      { metadata: { name: 'edge-1', ownerReferences: [{ kind: 'Node', uid: 'n1' }] }, spec },
    ]);
  });

  it.each(['cloud', 'unknown'])('%s gets none', async (name) => {
    await reconciler.reconcile(name);
    expect(made).toEqual([]);
  });

  it('keeps the one that it has', async () => {
    devices.put({ metadata: { name: 'edge-1' } } as EdgeDevice);
    await reconciler.reconcile('edge-1');
    expect(made).toEqual([]);
  });

  it('is content when somebody else was faster, and tries again otherwise', async () => {
    failure = new ApiError({ code: 409, reason: 'AlreadyExists' }, 'POST');
    await reconciler.reconcile('edge-1');
    failure = new ApiError({ code: 500 }, 'POST');
    await expect(reconciler.reconcile('edge-1')).rejects.toBe(failure);
  });
});
