// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from '@jest/globals';
import { parseContainerInfo } from '../../../src/runtime/container-info.ts';

/** Recorded from containerd 2.4.2, shortened. */
const RECORDED = {
  sandboxID: 'b2a1',
  pid: 8348,
  removing: false,
  snapshotKey: 'fbba',
  snapshotter: 'overlayfs',
  runtimeType: 'io.containerd.runc.v2',
  config: {
    metadata: { name: 'attest-probe' },
    image: { image: 'sha256:8d26', user_specified_image: 'keystead.dev/lab/pause:1' },
  },
  runtimeSpec: {
    ociVersion: '1.2.1',
    process: { user: { uid: 65535, gid: 0, additionalGids: [0] }, args: ['/pause'] },
  },
};
const info = (value: unknown): Record<string, string> => ({ info: JSON.stringify(value) });

describe('verbose container status', () => {
  it('gives process, user and image', () => {
    expect(parseContainerInfo(info(RECORDED))).toEqual({
      pid: 8348,
      uid: 65535,
      gid: 0,
      image: 'sha256:8d26',
      userSpecifiedImage: 'keystead.dev/lab/pause:1',
      argv: ['/pause'],
      imageEnvironment: [],
    });
  });

  it("tells the image's environment from what the pod gives", () => {
    const env = ['PATH=/bin', 'LD_PRELOAD=/lib/own.so', 'LINE=4'];
    const process = { ...RECORDED.runtimeSpec.process, env };
    const told = (config?: object) =>
      parseContainerInfo(info({ ...RECORDED, config, runtimeSpec: { process } }))?.imageEnvironment;
    expect(told({ ...RECORDED.config, envs: [{ key: 'LINE', value: '4' }] })).toEqual(env.slice(0, 2));
    expect(told({ ...RECORDED.config, envs: [{ key: 'LD_PRELOAD', value: '/lib/own.so' }] })).toEqual([env[0], env[2]]);
    expect(told()).toEqual([]);
  });

  it('has no pid before the start', () => {
    expect(parseContainerInfo(info({ ...RECORDED, pid: 0 }))).not.toHaveProperty('pid');
  });

  it.each([
    ['nothing', {}],
    ['no JSON', { info: '{' }],
    ['null', info(null)],
    ['an array', info([])],
    ['no user', info({ ...RECORDED, runtimeSpec: { process: {} } })],
    ['a negative uid', info({ ...RECORDED, runtimeSpec: { process: { user: { uid: -1, gid: 0 } } } })],
    ['a uid as text', info({ ...RECORDED, runtimeSpec: { process: { user: { uid: '0', gid: 0 } } } })],
  ])('is nothing to go by with %s', (_, value) => expect(parseContainerInfo(value)).toBeUndefined());
});
